/** One directory for the temporary files of all tests, so that those of killed workers and processes are removed, too. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export default function setUp(): () => void {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-tests-'))
  process.env['TMPDIR'] = directory
  return () => rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
}
