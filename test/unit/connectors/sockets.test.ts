import { createServer, type Server, type Socket } from 'node:net'
import { once } from 'node:events'
import { describe, expect, it, onTestFinished } from 'vitest'
import { noTimestamp } from '../../../src/common/limits.ts'
import { Progress } from '../../../src/common/progress.ts'
import { socketSink, socketText } from '../../../src/connectors/index.ts'
import { connectorContext } from '../../support/connector-context.ts'
import { ListOutput, readSource } from '../../support/read-source.ts'

const host = '127.0.0.1'

async function server(onConnection: (socket: Socket, count: number) => void, port = 0): Promise<[Server, number]> {
  let count = 0
  const listening = createServer((socket) => {
    socket.on('error', () => {})
    onConnection(socket, ++count)
  })
  listening.listen(port, host)
  await once(listening, 'listening')
  onTestFinished(() => void listening.close())
  return [listening, (listening.address() as { port: number }).port]
}

async function unusedPort(): Promise<number> {
  const [listening, port] = await server(() => {})
  await new Promise((resolve) => listening.close(resolve))
  return port
}

describe('socketText', () => {
  it('reads lines until the server closes, over borders of packets and characters', async () => {
    const bytes = Buffer.from('hello\r\n漢字 é\n\nlast without end')
    const [, port] = await server(async (socket) => {
      for (const byte of bytes) {
        socket.write(Uint8Array.of(byte))
        await new Promise((resolve) => setImmediate(resolve))
      }
      socket.end()
    })
    const { all, contexts } = await readSource(socketText({ host, port }), { parallelism: 4 })
    expect(all).toEqual(['hello', '漢字 é', '', 'last without end'])
    expect(contexts.map((context) => context.holds)).toEqual([0])
  })

  it('takes another delimiter', async () => {
    const [, port] = await server((socket) => socket.end('a;;b\n;;c'))
    expect((await readSource(socketText({ host, port, delimiter: ';;' }))).all).toEqual(['a', 'b\n', 'c'])
  })

  it('keeps a fast server waiting instead of memory', async () => {
    const text = `${'x'.repeat(99)}\n`.repeat(1000)
    let written = 0
    const [, port] = await server((socket) => {
      const more = (): void => {
        while (written < 2000) {
          written++
          if (!socket.write(text)) return void socket.once('drain', more)
        }
        socket.end()
      }
      more()
    })
    const context = connectorContext()
    const reader = socketText({ host, port }).createReader(context)
    reader.addSplits([{ host, port }])
    reader.noMoreSplits()
    const output = new ListOutput<string>()
    let lines = 0
    let writtenMaxAhead = 0
    for (;;) {
      context.runMails()
      const progress = reader.poll(output, 1000)
      lines += output.values.splice(0).length
      writtenMaxAhead = Math.max(writtenMaxAhead, written * 1000 - lines)
      if (progress === Progress.Done) break
      await new Promise((resolve) => setImmediate(resolve))
    }
    await reader.close?.()
    expect(lines).toBe(2_000_000)
    expect(writtenMaxAhead).toBeLessThan(200_000)
  })

  it('tries again, then says that nobody answers', async () => {
    const port = await unusedPort()
    const source = socketText({ host, port, maxRetries: 2, retryDelayMs: 5 })
    await expect(readSource(source)).rejects.toMatchObject({
      code: 'MR_SOURCE_UNREACHABLE',
      message: expect.stringContaining(`${host}:${port} after 2 retries`),
    })
  })

  it('connects again where the connection breaks', async () => {
    const [, port] = await server((socket, count) => {
      if (count === 2) socket.end('second\n')
      else socket.write('first\n', () => socket.resetAndDestroy())
    })
    const { all } = await readSource(socketText({ host, port, maxRetries: 1, retryDelayMs: 5 }))
    expect(all.at(-1)).toBe('second')
  })

  it('waits for a server that comes late', async () => {
    const port = await unusedPort()
    const reading = readSource(socketText({ host, port, maxRetries: Number.POSITIVE_INFINITY, retryDelayMs: 5 }))
    await server((socket) => socket.end('late\n'), port)
    expect((await reading).all).toEqual(['late'])
  })

  it.each([0, 70_000, 1.5])('refuses port %d', (port) => {
    expect(() => socketText({ host, port })).toThrow(expect.objectContaining({ code: 'MR_CONFIG_INVALID_VALUE' }))
  })
})

describe('socketSink', () => {
  async function received(onSocket?: (socket: Socket, count: number) => void): Promise<[number, () => string]> {
    let text = ''
    const [, port] = await server((socket, count) => {
      socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      onSocket?.(socket, count)
    })
    return [port, () => text]
  }

  it('sends each record as a line', async () => {
    const [port, text] = await received()
    const context = connectorContext()
    const writer = socketSink<unknown>({ host, port }).createWriter(context)
    await writer.open?.()
    for (const value of ['a', 1, { b: 2n }]) writer.write(value, noTimestamp)
    while (writer.flush(true) !== Progress.Done) {
      await context.mailPosted()
      context.runMails()
    }
    await writer.close?.()
    await expect.poll(text).toBe('a\n1\n{"b":2}\n')
    expect(context.holds).toBe(0)
  })

  it('says that it is full while the server does not read', async () => {
    const [port] = await received((socket) => socket.pause())
    const writer = socketSink<string>({ host, port }).createWriter(connectorContext())
    await writer.open?.()
    let count = 0
    while (writer.isFull?.() !== true && count < 1e6) {
      writer.write('x'.repeat(1000), noTimestamp)
      count++
    }
    expect(count).toBeLessThan(1000)
    await writer.close?.()
  })

  it('fails where nobody takes the records', async () => {
    const port = await unusedPort()
    const context = connectorContext()
    const writer = socketSink<string>({ host, port, maxRetries: 1, retryDelayMs: 5 }).createWriter(context)
    await writer.open?.()
    writer.write('a', noTimestamp)
    await context.mailPosted()
    expect(() => context.runMails()).toThrow(expect.objectContaining({ code: 'MR_SINK_FAILED' }))
    expect(() => writer.flush(true)).toThrow(expect.objectContaining({ code: 'MR_SINK_FAILED' }))
    await writer.close?.()
  })
})
