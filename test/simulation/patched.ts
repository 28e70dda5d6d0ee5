/** Undoes what was put in place. */
export type Undo = () => void

/**
 * Puts another method in the place of one of a class, for every object of it, until it is undone: how a test leaves out a
 * rule that no port shows.
 */
export function patched<Holder extends object, Name extends keyof Holder>(
  prototype: Holder,
  name: Name,
  make: (original: Holder[Name]) => Holder[Name],
): Undo {
  const own = Object.getOwnPropertyDescriptor(prototype, name)
  if (own === undefined) throw new Error(`there is no ${String(name)} to be replaced`)
  Object.defineProperty(prototype, name, { ...own, value: make(own.value as Holder[Name]) })
  return () => Object.defineProperty(prototype, name, own)
}

/** The same for a getter. */
export function patchedGetter<Holder extends object, Name extends keyof Holder>(
  prototype: Holder,
  name: Name,
  make: (original: (this: Holder) => Holder[Name]) => (this: Holder) => Holder[Name],
): Undo {
  const own = Object.getOwnPropertyDescriptor(prototype, name)
  if (own?.get === undefined) throw new Error(`there is no getter ${String(name)} to be replaced`)
  Object.defineProperty(prototype, name, { ...own, get: make(own.get as (this: Holder) => Holder[Name]) })
  return () => Object.defineProperty(prototype, name, own)
}

/** All of them, undone in the other order. */
export function all(...undos: readonly Undo[]): Undo {
  return () => {
    for (const undo of undos.toReversed()) undo()
  }
}
