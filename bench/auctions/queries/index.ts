/** The queries by name. */
import type { Query } from '../workload.ts'
import { gen } from './gen.ts'
import { jet5 } from './jet5.ts'
import { kcount } from './kcount.ts'
import { q0 } from './q0.ts'
import { q1 } from './q1.ts'
import { q11 } from './q11.ts'
import { q2 } from './q2.ts'
import { q3 } from './q3.ts'
import { q5 } from './q5.ts'
import { q7 } from './q7.ts'
import { q8 } from './q8.ts'
import { q9 } from './q9.ts'

export const queries: Readonly<Record<string, Query>> = { gen, q0, q1, q2, q3, q5, q7, q8, q9, q11, jet5, kcount }
