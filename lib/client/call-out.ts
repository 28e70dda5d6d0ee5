/** Calls code of the user from inside the client: what it throws is an uncaught error of its own, and stops nothing here. */
export function callOut<Event>(listener: (event: Event) => void, event: Event): void {
  try {
    listener(event)
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}
