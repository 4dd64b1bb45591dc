/** The answers of the auction workload, of an independent program (test/fixtures/auctions/expected.json). */
import { readFileSync } from 'node:fs'

export interface Answer {
  readonly rows: number
  readonly sum: number
}

export interface ExpectedAnswers {
  readonly events: number
  readonly seed: number
  readonly perMs: number
  readonly disorder: number
  /** By query. */
  readonly answers: Readonly<Record<string, Answer>>
}

const file = new URL('../fixtures/auctions/expected.json', import.meta.url)

export const expectedAnswers: readonly ExpectedAnswers[] = JSON.parse(readFileSync(file, 'utf8'))
