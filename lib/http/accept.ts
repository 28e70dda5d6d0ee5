/** Whether siblings are to come as `multipart/mixed`: named in Accept, and liked at least as well as JSON. */
export function prefersMultipart(accept: string | undefined): boolean {
  if (accept === undefined || !accept.toLowerCase().includes('multipart')) return false
  let multipart = 0
  let json = 0
  let jsonBreadth = 3
  for (const piece of accept.toLowerCase().split(',')) {
    const [range, ...parameters] = piece.split(';').map((part) => part.trim())
    const weight = qualityOf(parameters)
    if (range === 'multipart/mixed' || range === 'multipart/*') multipart = Math.max(multipart, weight)
    // The most specific range decides (RFC 9110, 12.5.1).
    const breadth = ['application/json', 'application/*', '*/*'].indexOf(range as string)
    if (breadth !== -1 && breadth <= jsonBreadth) {
      json = weight
      jsonBreadth = breadth
    }
  }
  return multipart > 0 && multipart >= json
}

function qualityOf(parameters: readonly string[]): number {
  const quality = parameters.find((parameter) => parameter.startsWith('q='))
  const weight = quality === undefined ? 1 : Number(quality.slice(2))
  return weight >= 0 && weight <= 1 ? weight : 1
}
