import { UsageError } from '../exit-code.ts'

/** Collects repeated `--meta NAME=VALUE`. */
export function parseMetadata(
  text: string,
  before: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const equals = text.indexOf('=')
  const name = text.slice(0, equals).toLowerCase()
  if (equals < 1 || !/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name))
    throw new UsageError(
      `--meta ${JSON.stringify(text)} is not NAME=VALUE`,
      'a name is made of letters, digits and hyphens',
    )
  return { ...before, [name]: text.slice(equals + 1) }
}
