/** Ends this process on SIGTERM, and also when the bench that holds its standard input is gone. */
export function endWithParent(close: () => Promise<void>): void {
  const end = (): void => {
    void close().finally(() => process.exit(0))
  }
  process.once('SIGTERM', end)
  process.stdin.once('end', end)
  process.stdin.resume()
}
