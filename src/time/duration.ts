/** Durations are plain numbers of milliseconds; these spell the unit out where a program states one. */
export const milliseconds = (amount: number): number => amount
/** Seconds in ms. */
export const seconds = (amount: number): number => amount * 1_000
/** Minutes in ms. */
export const minutes = (amount: number): number => amount * 60_000
/** Hours in ms. */
export const hours = (amount: number): number => amount * 3_600_000
/** Days in ms. */
export const days = (amount: number): number => amount * 86_400_000
