// What a node says of its own make, in the one text of its metadata that people read: nodes from before there was more
// than one protocol read it as the text it is, and say nothing of a protocol in theirs.

const announced = /^(?<software>.*?)(?<insecure>\+insecure)?\+wire\.(?<wire>[1-9][0-9]{0,8})$/s

/**
 * `0.4.0+wire.2`: the build metadata of a semantic version says which frame protocol the node speaks at most;
 * `0.4.0+insecure+wire.2`: and that it is open to strangers. (Who does not know of that shows it as part of the version.)
 */
export function announceVersion(software: string, wireVersion: number, isInsecure = false): string {
  return `${software}${isInsecure ? '+insecure' : ''}+wire.${wireVersion}`
}

/** The version of the software alone. */
export function softwareVersionOf(text: string): string {
  return announced.exec(text)?.groups?.software ?? text
}

/** The newest frame protocol that the node speaks; who says nothing speaks the first. */
export function wireVersionOf(text: string): number {
  return Number(announced.exec(text)?.groups?.wire ?? 1)
}

/** Whether the node was started with `--insecure`, and is open because of it. */
export function isAnnouncedInsecure(text: string): boolean {
  return announced.exec(text)?.groups?.insecure !== undefined
}
