#!/usr/bin/env node
/**
 * The command `millrace`. Starts under an older Node too, and goes on under the one that the package brings. In a
 * checkout it brings dist up to date first; an installed package has no sources.
 */
import { existsSync, readFileSync } from 'node:fs'
import module from 'node:module'
import { reexecOnNewNode } from './node-version.mjs'

await reexecOnNewNode()
module.enableCompileCache()
await prepareCheckout()
const { endProcess, main } = await import('../dist/cli/main.js')
const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
const exitCode = await main(process.argv.slice(2), version)
// What a job module left open in this thread must not keep the command from ending.
endProcess(exitCode)

async function prepareCheckout() {
  if (!existsSync(new URL('../src', import.meta.url))) return
  const { isUnchanged, markChecked } = await import('./checked-stamp.mjs')
  if (isUnchanged()) return
  const startMs = Date.now()
  await import('./bootstrap.mjs')
  markChecked(startMs)
}
