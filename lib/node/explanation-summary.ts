import type { KeptFor, OwnerView } from './node-api.ts'

/** Why a key reads as it does, in words: what is held, then whatever is still on its way. */
export function summarise(owners: readonly OwnerView[], agreed: boolean, hints: readonly KeptFor[]): string {
  const read = owners.filter(({ isRead }) => isRead)
  return [
    whatOwnersSay(read, agreed),
    whoCannotSay(read),
    whoIsRecovering(read),
    whoElseOwns(owners),
    whatWaits(owners, hints),
    whyTombstoneStays(read),
  ]
    .filter((sentence) => sentence !== '')
    .join(' ')
}

function whatOwnersSay(owners: readonly OwnerView[], agreed: boolean): string {
  const answering = owners.filter(canSay)
  const first = answering[0]
  if (first === undefined) return 'No owner can say what it holds.'
  if (agreed || new Set(answering.map(({ holds, stateHash }) => stateHash ?? holds)).size === 1) {
    if (answering.length === 1) return `One owner says: ${whatIsHeld(first)}.`
    const who =
      answering.length === owners.length
        ? `All ${owners.length} owners`
        : `The ${answering.length} owners that answered`
    return `${who} agree: ${whatIsHeld(first)}.`
  }
  const parts = answering.map((view) => `${view.name} has ${whatIsHeld(view)}`)
  return `The owners differ: ${parts.join('; ')}. A read merges them and repairs those that are behind.`
}

function whoCannotSay(owners: readonly OwnerView[]): string {
  const silent = owners.filter((owner) => !canSay(owner)).length
  if (silent === 0) return ''
  return `${silent} of ${owners.length} owners cannot say what they hold (unreachable or damaged).`
}

function whoIsRecovering(owners: readonly OwnerView[]): string {
  const names = owners.filter(({ isRecovering }) => isRecovering).map(({ name }) => name)
  if (names.length === 0) return ''
  return names.length === 1
    ? `${names[0]} is recovering what it lost: its answer does not count toward R.`
    : `${names.join(' and ')} are recovering what they lost: their answers do not count toward R.`
}

/** While ownership moves: those whose word does not count now, or any more. */
function whoElseOwns(owners: readonly OwnerView[]): string {
  const others = owners.filter(({ isRead }) => !isRead).map(({ name }) => name)
  if (others.length === 0) return ''
  const who = others.length === 1 ? `${others[0]} is` : `${others.join(' and ')} are`
  return `Ownership moves: ${who} written to as well, and not read from now.`
}

/** One clause for each owner that something is kept for. */
function whatWaits(owners: readonly OwnerView[], hints: readonly KeptFor[]): string {
  const clauses = owners.flatMap(({ node, name, stateHash, memberState }) => {
    const kept = hints.filter(({ target }) => target === node)
    if (kept.length === 0) return []
    const holders = kept.map(({ holderName }) => holderName).join(' and ')
    const isBehind = kept.some((hint) => hint.stateHash !== stateHash)
    const until =
      memberState === 'alive'
        ? isBehind
          ? 'and delivers it soon'
          : 'which holds the same by now'
        : `until ${name} is back`
    return `${holders} ${kept.length === 1 ? 'keeps' : 'keep'} a hint for ${name} ${until}`
  })
  return clauses.length === 0 ? '' : `${clauses.join('; ')}.`
}

function whyTombstoneStays(owners: readonly OwnerView[]): string {
  const reasons = owners.flatMap(({ tombstoneWaitingFor }) => tombstoneWaitingFor ?? [])
  // Only one owner removes the tombstones of a partition; the others only know that it does.
  const reason = reasons.find((words) => !words.startsWith('driver ')) ?? reasons[0]
  return reason === undefined ? '' : `Its tombstone is kept until ${untilWhat(reason)}.`
}

/** What the words of `starling_tombstones{waiting_for}` mean. */
function untilWhat(reason: string): string {
  const [first = '', ...rest] = reason.split(' ')
  const name = rest.join(' ').replace(/^of /, '')
  switch (first) {
    case 'grace':
      return 'its grace has passed'
    case 'done':
      return 'no retry of an old request can come any more'
    case 'stable':
      return `${name} has nothing older under way`
    case 'owner':
      return `${name} has confirmed it`
    case 'driver':
      return `${name} removes it`
    case 'recovering':
      return 'no owner is recovering'
    case 'clock':
      return 'the clocks of its owners agree'
    case 'layout':
      return 'only one layout is live'
    default:
      return 'the next round'
  }
}

function canSay({ holds }: OwnerView): boolean {
  return holds !== 'unreachable' && holds !== 'damaged'
}

function whatIsHeld(view: OwnerView): string {
  if (view.holds === 'nothing') return 'the key was never written, or its tombstone is gone'
  if (view.holds === 'tombstone') return 'the key was deleted'
  const count = view.dots.length
  const writers = [...new Set(view.dots.map(({ writtenBy }) => writtenBy))].join(', ')
  return count === 1
    ? `one value, written through ${writers}`
    : `${count} siblings that no write has superseded yet, written through ${writers}`
}
