import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, it, onTestFinished } from 'vitest'
import { finished, millrace, node, printed, startMillrace } from '../support/millrace-command.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

/** Lines `word<TAB>count` of all part files. */
function counts(directory: string): Map<string, number> {
  const lines = readdirSync(directory).flatMap((name) => readFileSync(join(directory, name), 'utf8').split('\n'))
  const pairs = lines.filter((line) => line !== '').map((line) => line.split('\t') as [string, string])
  expect(new Set(pairs.map(([word]) => word)).size, 'each word once').toBe(pairs.length)
  return new Map(pairs.map(([word, count]) => [word, Number(count)]))
}

function expectedCounts(texts: readonly string[]): Map<string, number> {
  const expected = new Map<string, number>()
  for (const word of texts
    .join('\n')
    .toLowerCase()
    .match(/\p{L}+/gu) ?? []) {
    expected.set(word, (expected.get(word) ?? 0) + 1)
  }
  return expected
}

describe('word-count', () => {
  const texts = ['The cat and the dog.\nÉté, ÉTÉ; été!', 'naïve 東京 東京 cat\r\n\r\nthe end'.repeat(500)]

  it.each([1, 2, 3])('counts a folder, compressed files too, at parallelism %i', async (parallelism) => {
    const directory = temporaryDirectory()
    const input = join(directory, 'in')
    mkdirSync(join(input, 'deep'), { recursive: true })
    writeFileSync(join(input, 'a.txt'), texts[0]!)
    writeFileSync(join(input, 'deep', 'b.md.gz'), gzipSync(texts[1]!))
    const output = join(directory, 'out')
    const args = [
      'run',
      'examples/word-count.ts',
      '-p',
      String(parallelism),
      '--',
      '--input',
      input,
      '--output',
      output,
    ]
    expect(await millrace(...args)).toMatchObject({ exitCode: 0, stdout: '' })
    expect(counts(output)).toEqual(expectedCounts(texts))
  })

  it('takes a file, a glob, and an empty file', async () => {
    const directory = temporaryDirectory()
    writeFileSync(join(directory, 'a.txt'), texts[0]!)
    writeFileSync(join(directory, 'empty.txt'), '')
    for (const [index, input] of ['a.txt', '*.txt', 'empty.txt'].entries()) {
      const output = join(directory, `out${index}`)
      const args = ['run', 'examples/word-count.ts', '-p', '1', '--', '--input', join(directory, input)]
      expect((await millrace(...args, '--output', output)).exitCode).toBe(0)
      expect(counts(output)).toEqual(expectedCounts(index === 2 ? [] : [texts[0]!]))
    }
  })

  it('leaves nothing behind where it fails', async () => {
    const directory = temporaryDirectory()
    writeFileSync(join(directory, 'broken.gz'), gzipSync(texts[1]!).subarray(0, 60))
    const args = ['run', 'examples/word-count.ts', '--', '--input', directory, '--output', join(directory, 'out')]
    const { exitCode, stderr } = await millrace(...args)
    expect(stderr).toContain('MR_SOURCE_CORRUPT')
    expect(exitCode).toBe(1)
    expect(readdirSync(directory)).toEqual(['broken.gz'])
  })
})

describe('socket-word-count', () => {
  it('prints each word with its new count', async () => {
    const port = await serve('to be or not to be\nBe!\n')
    const args = [
      'run',
      'examples/socket-word-count.ts',
      '-p',
      '1',
      '--',
      '--hostname',
      '127.0.0.1',
      '--port',
      String(port),
    ]
    const { exitCode, stdout } = await millrace(...args)
    expect(stdout.split('\n')).toEqual(['to 1', 'be 1', 'or 1', 'not 1', 'to 2', 'be 2', 'be 3', ''])
    expect(exitCode).toBe(0)
  })

  it('says which server it could not reach', async () => {
    const port = await serve('')
    await new Promise((resolve) => servers.pop()!.close(resolve))
    const { exitCode, stderr } = await millrace('run', 'examples/socket-word-count.ts', '--', '--port', String(port))
    expect(stderr).toContain('MR_SOURCE_UNREACHABLE')
    expect(stderr).toContain(String(port))
    expect(exitCode).toBe(1)
  })
})

describe('embedded', () => {
  it('prints what its loop sees', async () => {
    const { exitCode, stdout } = await node('examples/embedded.ts')
    expect(stdout).toBe('attic: 35 °C\ncellar: 22 °C\nattic: 36.5 °C\n')
    expect(exitCode).toBe(0)
  })
})

describe('socket-window-word-count', () => {
  function totals(text: string): Map<string, number> {
    const counts = new Map<string, number>()
    for (const [, word, count] of text.matchAll(/^(\w+) : (\d+)$/gm)) {
      counts.set(word!, (counts.get(word!) ?? 0) + Number(count))
    }
    return counts
  }

  it('prints what came in a window when it ends', async () => {
    const port = await serve('to be or not to be\n', { hangUp: false })
    const program = ['--hostname', '127.0.0.1', '--port', String(port), '--seconds', '0.2']
    const job = startMillrace(['run', 'examples/socket-window-word-count.ts', '-p', '1', '--', ...program])
    const end = finished(job)
    // Words may have come in two windows.
    await printed(job, (text) => [...totals(text).values()].reduce((sum, count) => sum + count, 0) >= 6)
    job.kill('SIGINT')
    const { stdout, exitCode } = await end
    expect(Object.fromEntries(totals(stdout))).toEqual({ to: 2, be: 2, or: 1, not: 1 })
    expect(exitCode).toBe(130)
  })
})

const servers: Server[] = []

/** A server that sends a text to whoever connects. */
async function serve(text: string, { hangUp = true } = {}): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    if (hangUp) socket.end(text)
    else socket.write(text)
  })
  servers.push(server)
  onTestFinished(() => void server.close())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as { port: number }).port
}
