/** Durations are plain numbers of milliseconds; these spell the unit out where a program states one. */
export const milliseconds = (amount: number): number => amount
export const seconds = (amount: number): number => amount * 1_000
export const minutes = (amount: number): number => amount * 60_000
export const hours = (amount: number): number => amount * 3_600_000
export const days = (amount: number): number => amount * 86_400_000
