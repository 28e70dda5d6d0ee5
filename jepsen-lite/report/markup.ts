/** Text that is HTML already. Nothing else reaches a page unescaped: only `html` and `trusted` make it. */
export class Markup {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  toString(): string {
    return this.#text
  }
}

export type Content = Markup | string | number | readonly Content[]

/** A template whose values are escaped, unless they are markup themselves; lists are joined. */
export function html(strings: TemplateStringsArray, ...values: readonly Content[]): Markup {
  let text = strings[0] as string
  for (const [index, value] of values.entries()) text += textOf(value) + strings[index + 1]
  return new Markup(text)
}

/** Only for constants of this program, such as a style sheet. */
export function trusted(text: string): Markup {
  return new Markup(text)
}

export const nothing = new Markup('')

/** Part of an address below the page's own folder. */
export function relativeLink(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/')
}

function textOf(value: Content): string {
  if (typeof value === 'number') return String(value)
  if (typeof value === 'string') return escaped(value)
  if (value instanceof Markup) return value.toString()
  let text = ''
  for (const one of value) text += textOf(one)
  return text
}

/** For text and for quoted attributes. What would be invisible, or turn the text after it around, is shown as �. */
function escaped(text: string): string {
  if (!needsEscape.test(text)) return text
  return text.replace(escapable, (character) => escapes[character] ?? '�')
}

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}
const needsEscape = /[&<>"'\p{Cc}\p{Cf}\p{Cs}]/u
const escapable = /[&<>"']|(?![\t\n\r])\p{Cc}|\p{Cf}|\p{Cs}/gu
