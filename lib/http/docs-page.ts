import { errorPages } from './error-status.ts'
import type { JsonSchema } from './json-schema.ts'
import type { OpenApiDocument, OpenApiOperation, OpenApiParameter, OpenApiResponse } from './openapi.ts'

/** The document as one page of HTML: no script, no asset but its style sheet. */
export function docsPage(document: OpenApiDocument): string {
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    // HEAD says what GET says.
    Object.entries(methods)
      .filter(([method]) => method !== 'head')
      .map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  )
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(document.info.title)} HTTP API</title>
<link rel="stylesheet" href="/docs/style.css">
</head>
<body>
<header>
<h1>${escapeHtml(document.info.title)} HTTP API, version ${escapeHtml(document.info.version)}</h1>
<p>${escapeHtml(document.info.description)} The same as a document: <a href="/openapi.json">/openapi.json</a>.</p>
</header>
<nav><ul>
${operations.map(({ path, method, operation }) => `<li><a href="#${operation.operationId}"><code>${method} ${escapeHtml(path)}</code></a> ${escapeHtml(operation.summary)}</li>`).join('\n')}
<li><a href="#errors">Errors</a></li>
</ul></nav>
<main>
${operations.map(({ path, method, operation }) => operationSection(path, method, operation)).join('\n')}
${errorsSection()}
</main>
</body>
</html>
`
}

function operationSection(path: string, method: string, operation: OpenApiOperation): string {
  const body = operation.requestBody
  return `<section id="${operation.operationId}">
<h2><code>${method} ${escapeHtml(path)}</code></h2>
<p>${escapeHtml(operation.summary)} ${escapeHtml(operation.description ?? '')}</p>
<p><b>Permission.</b> ${escapeHtml(operation['x-permission'])}</p>
${parametersTable(operation.parameters)}
${body === undefined ? '' : `<p><b>Body.</b> ${escapeHtml(body.description)}</p>`}
<table>
<thead><tr><th>Status</th><th>Meaning</th><th>Body</th><th>Headers</th></tr></thead>
<tbody>
${Object.entries(operation.responses)
  .map(([status, response]) => responseRow(status, response))
  .join('\n')}
</tbody>
</table>
</section>`
}

function parametersTable(parameters: readonly OpenApiParameter[]): string {
  return `<table>
<thead><tr><th>Name</th><th>In</th><th>Values</th><th>Meaning</th></tr></thead>
<tbody>
${parameters
  .map(
    ({ name, in: place, schema, description }) =>
      `<tr><td><code>${escapeHtml(name)}</code></td><td>${place}</td><td>${escapeHtml(valuesOf(schema))}</td><td>${escapeHtml(description)}</td></tr>`,
  )
  .join('\n')}
</tbody>
</table>`
}

function responseRow(status: string, response: OpenApiResponse): string {
  const media = Object.entries(response.content ?? {}).map(
    ([mediaType, { schema }]) =>
      `<code>${escapeHtml(mediaType)}</code>${schema.$ref === undefined ? schemaList(schema) : ''}`,
  )
  const headers = Object.entries(response.headers).map(
    ([name, { description }]) => `<li><code>${escapeHtml(name)}</code> ${escapeHtml(description)}</li>`,
  )
  return `<tr><td>${status}</td><td>${escapeHtml(response.description)}</td><td>${media.join('<br>')}</td><td><ul>${headers.join('')}</ul></td></tr>`
}

/** The properties of an object, its items' and its alternatives', as nested lists. */
function schemaList(schema: JsonSchema): string {
  if (schema.anyOf !== undefined) return schema.anyOf.map(schemaList).join('')
  if (schema.items !== undefined) return schemaList(schema.items)
  const properties = Object.entries(schema.properties ?? {})
  if (properties.length === 0) return ''
  const rows = properties.map(([name, property]) => {
    const isRequired = schema.required?.includes(name) === true
    return `<li><code>${escapeHtml(name)}${isRequired ? '' : '?'}</code> ${escapeHtml(valuesOf(property))}. ${escapeHtml(property.description ?? '')}${schemaList(property)}</li>`
  })
  return `<ul>${rows.join('')}</ul>`
}

function valuesOf(schema: JsonSchema): string {
  const fallback = schema.default === undefined ? '' : `; default ${String(schema.default)}`
  if (schema.anyOf !== undefined) return schema.anyOf.map(valuesOf).join(', ') + fallback
  if (schema.enum !== undefined) return schema.enum.join(', ') + fallback
  const type = typeof schema.type === 'string' ? schema.type : (schema.type?.join(' or ') ?? 'any')
  const bounds = [
    schema.minimum === undefined ? '' : ` from ${schema.minimum}`,
    schema.maximum === undefined ? '' : ` to ${schema.maximum}`,
  ]
  return type + bounds.join('') + fallback
}

function errorsSection(): string {
  const rows = Object.entries(errorPages).map(
    ([code, { status, title, hint }]) =>
      `<tr id="error-${code}"><td><code>${code}</code></td><td>${status}</td><td>${escapeHtml(title)}</td><td>${escapeHtml(hint)}</td></tr>`,
  )
  return `<section id="errors">
<h2>Errors</h2>
<p>Every error is an RFC 9457 problem (<code>application/problem+json</code>). Branch on its <code>code</code>; its <code>aftermath</code> says whether data may have changed.</p>
<table>
<thead><tr><th>Code</th><th>Status</th><th>Title</th><th>What to do</th></tr></thead>
<tbody>
${rows.join('\n')}
</tbody>
</table>
</section>`
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}

export const docsStyle = `:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 20%, transparent); }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 0 auto; padding: 1rem; }
code { font: 0.9em ui-monospace, monospace; }
h2 { border-top: 1px solid var(--line); padding-top: 1rem; }
table { border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto; }
th, td { border: 1px solid var(--line); padding: 0.3rem 0.6rem; text-align: left; vertical-align: top; }
td ul { margin: 0; padding-left: 1rem; }
tr:target, section:target > h2 { background: color-mix(in srgb, gold 25%, transparent); }
`
