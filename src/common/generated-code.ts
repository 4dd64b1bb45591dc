/**
 * Functions out of generated source. Every one is fresh: V8 gives equal source texts one function, and its feedback on
 * types and call targets to all that use it, so the text of each is made different. What runs per record in several
 * operators of a slot is made this way, and each of them is compiled for what it sees alone.
 *
 * Source comes from plans and types only, never from data; names in it are escaped by whoever writes it.
 */
let piecesMade = 0

/**
 * The value of `expression`, in whose scope are the bindings by their names. Cold: tens of microseconds.
 * @example generate<(value: number) => number>({ offset: 3 }, 'function (value) { return value + offset }')
 */
export function generate<T>(bindings: Readonly<Record<string, unknown>>, expression: string): T {
  const make = new Function(
    ...Object.keys(bindings),
    `'use strict' // ${++piecesMade}\nreturn ${expression}`,
  ) as unknown as (...values: unknown[]) => T
  return make(...Object.values(bindings))
}
