#!/usr/bin/env node
import { packageVersion } from '../lib/cli/package-version.ts'

const words = process.argv.slice(2)
if (words.length === 1 && (words[0] === '--version' || words[0] === '-V')) {
  // Asked by scripts all the time: nothing else is loaded for it.
  process.stdout.write(`${packageVersion()}\n`)
} else {
  const { runCli } = await import('../lib/cli/run-cli.ts')
  await runCli(words)
}
