/** Where lines stop. */
const carriageReturn = 13

/** Where the line at `start` stops: without the carriage return before its line feed (or the end of the file). */
export function lineStop(text: string, start: number, end: number): number {
  return end > start && text.charCodeAt(end - 1) === carriageReturn ? end - 1 : end
}
