import { resolveSettings, type SettingsInput } from '../../../lib/settings/resolve-settings.ts'
import { settingNames, settingsSchema } from '../../../lib/settings/schema.ts'
import { InvalidParameter } from '../../../lib/vocabulary/errors.ts'
import { type Target, unlessRefused } from '../target.ts'
import { bytesOf, textOf } from './text.ts'

const examples = [
  'http = "127.0.0.1:7070"\npeer = "127.0.0.1:7071"\n',
  'join = ["10.0.0.1:7071", "[::1]:7071"]\nexpect = 3\n# three of us\n',
  'name = "ada"\nweight = 2\nreplicas = 3\npartitions = 1024\n',
  'zone = \'a\'\nlog-level = "debug"\ninsecure = true\n',
  'data = """\n./d"""\ntombstone-grace = 0x10\n',
  '[table]\nkey = 1979-05-27T07:32:00Z\n[[array]]\na.b.c = { x = 1.5e3, y = inf }\n',
]

/** `starling.toml`; and each of its texts as a flag or a variable. */
export const settingsFiles: Target = {
  name: 'settings',
  summary: 'settings files, and values of flags and variables: settings, or InvalidParameter',
  seeds: () =>
    examples.flatMap((example) => [0, 2, 3].map((place) => bytesOf(`${String.fromCharCode(place)}${example}`))),
  words: [
    ...settingNames.map((name) => `${settingsSchema[name].toml ?? settingsSchema[name].flag} = `),
    ...[
      '"',
      "'",
      '"""',
      '[',
      ']',
      '[[',
      '{',
      '}',
      '=',
      '\n',
      '#',
      'true',
      'inf',
      '1e400',
      '0x',
      '.',
      '\\u',
      '__proto__',
    ],
  ],
  bytesMax: 1024,
  // An unknown key is compared with every known one.
  stepsMax: { base: 150_000, each: 500 },
  inputsInTests: 100_000,
  open: () => ({ run: read }),
}

/** The first byte says as what the rest is read. */
function read(input: Uint8Array): void {
  const text = textOf(input.subarray(1))
  const place = input[0] ?? 0
  const name = settingNames[(place >> 2) % settingNames.length] as (typeof settingNames)[number]
  const { flag, env } = settingsSchema[name]
  const given = [{ tomlText: text }, { tomlText: text }, { flags: { [flag]: text } }, { env: { [env]: text } }][
    place % 4
  ]
  unlessRefused([InvalidParameter], () => resolveSettings(given as SettingsInput))
}
