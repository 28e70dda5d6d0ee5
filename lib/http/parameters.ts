import type { Durability, QuorumLevel } from '../protocol/quorum/client-request.ts'
import { timeoutMsDefault, timeoutMsMax, timeoutMsMin } from '../vocabulary/limits.ts'
import { type JsonSchema, oneOfWords, text } from './json-schema.ts'
import type { Parameter } from './query.ts'

const quorumWords = ['one', 'quorum', 'all'] as const

/** How many answers or acks: a count or a word. Whether the count is above N only the layout knows. */
function quorumParameter(description: string, least: 0 | 1): Parameter<QuorumLevel | undefined> {
  return {
    description,
    schema: {
      description,
      anyOf: [
        { type: 'integer', minimum: least },
        { type: 'string', enum: quorumWords },
      ],
    },
    fallback: undefined,
    parse: (given) => quorumWords.find((word) => word === given) ?? parseInteger(given, least, 255),
    expects: `an integer from ${least} to N, or one, quorum or all`,
  }
}

export function integerParameter<Fallback extends number | undefined>(
  description: string,
  least: number,
  most: number,
  fallback: Fallback,
): Parameter<number | Fallback> {
  return {
    description,
    schema: { ...integerSchema(description, least, most), ...(fallback === undefined ? {} : { default: fallback }) },
    fallback,
    parse: (given) => parseInteger(given, least, most),
    expects: `an integer from ${least} to ${most}`,
  }
}

export function booleanParameter(description: string, fallback: boolean): Parameter<boolean> {
  return {
    description,
    schema: { type: 'boolean', description, default: fallback },
    fallback,
    parse: (given) => (given === 'true' ? true : given === 'false' ? false : undefined),
    expects: 'true or false',
  }
}

export function wordParameter<Word extends string>(
  description: string,
  words: readonly Word[],
): Parameter<Word | undefined> {
  return {
    description,
    schema: oneOfWords(description, words),
    fallback: undefined,
    parse: (given) => words.find((word) => word === given) as Exclude<Word | undefined, undefined> | undefined,
    expects: words.join(' or '),
  }
}

/** Text, as far as `isValid` says. */
export function textParameter(
  description: string,
  expects: string,
  isValid: (given: string) => boolean,
): Parameter<string | undefined> {
  return {
    description,
    schema: text(description),
    fallback: undefined,
    parse: (given) => (isValid(given) ? given : undefined),
    expects,
  }
}

export const timeoutParameter = integerParameter(
  'Milliseconds for the whole request; it shrinks at each hop.',
  timeoutMsMin,
  timeoutMsMax,
  timeoutMsDefault,
)

/**
 * The parameters of all requests for one key. What a request does not need (`w` of a read) is checked and has no
 * effect, so a client may keep one set for all of them.
 */
export const keyParameters = {
  r: quorumParameter('Answers that a read waits for. Default: as the bucket says, else quorum.', 1),
  w: quorumParameter('Acks that a write waits for. Default: as the bucket says, else quorum.', 1),
  pr: quorumParameter('How many of the answers must come from owners. Default: as the bucket says, else 0.', 0),
  pw: quorumParameter('How many of the acks must come from owners. Default: as the bucket says, else 0.', 0),
  sloppy: booleanParameter('Whether fallbacks count.', true),
  durability: wordParameter<Durability>(
    'What an ack promises: os survives the death of a process, disk a power cut. Default: as the bucket says.',
    ['os', 'disk'],
  ),
  timeout: timeoutParameter,
  receipt: wordParameter('With full, the Starling-Receipt header says who answered.', ['full']),
}

/** Decimal digits without sign, fraction, exponent or leading zero; undefined when it is none or out of range. */
export function parseInteger(given: string, least: number, most: number): number | undefined {
  if (given.length > 15 || !/^(0|[1-9][0-9]*)$/.test(given)) return undefined
  const value = Number(given)
  return value >= least && value <= most ? value : undefined
}

function integerSchema(description: string, least: number, most: number): JsonSchema {
  return { type: 'integer', description, minimum: least, maximum: most }
}
