/**
 * The types of records, keys and state. A `TypeInformation<T>` is plain, structured-cloneable data (it travels in
 * plans and snapshots) with T only at compile time. `types.generic()` stands for any plain JavaScript value.
 */
export type DataType =
  | {
      readonly kind: 'float64' | 'int32' | 'int64' | 'bool' | 'timestamp' | 'text' | 'bytes' | 'generic'
      readonly nullable?: boolean
    }
  | { readonly kind: 'decimal'; readonly precision: number; readonly scale: number; readonly nullable?: boolean }
  | { readonly kind: 'list'; readonly element: DataType; readonly nullable?: boolean }
  | { readonly kind: 'row'; readonly fields: readonly Field[]; readonly nullable?: boolean }

export interface Field {
  readonly name: string
  readonly type: DataType
}

declare const valueType: unique symbol

/** A declared type: `dataType` is what travels, T is what the program sees. */
export interface TypeInformation<T> {
  readonly dataType: DataType
  readonly [valueType]?: T
}

type RowOf<F extends Record<string, TypeInformation<unknown>>> = {
  [K in keyof F]: F[K] extends TypeInformation<infer T> ? T : never
}

const of = <T>(dataType: DataType): TypeInformation<T> => Object.freeze({ dataType })

/**
 * Constructors of types.
 * float64: any number. int32: whole numbers of 32 bits. int64: bigint, exact. timestamp: number, milliseconds since
 * the epoch. decimal: bigint unscaled value of at most 38 digits. bytes: Uint8Array.
 * @example
 * const bid = types.row({ auction: types.int32(), price: types.float64(), channel: types.text() })
 */
export const types = {
  float64: (): TypeInformation<number> => of({ kind: 'float64' }),
  int32: (): TypeInformation<number> => of({ kind: 'int32' }),
  int64: (): TypeInformation<bigint> => of({ kind: 'int64' }),
  bool: (): TypeInformation<boolean> => of({ kind: 'bool' }),
  timestamp: (): TypeInformation<number> => of({ kind: 'timestamp' }),
  text: (): TypeInformation<string> => of({ kind: 'text' }),
  bytes: (): TypeInformation<Uint8Array> => of({ kind: 'bytes' }),
  decimal: (precision: number, scale: number): TypeInformation<bigint> => of({ kind: 'decimal', precision, scale }),
  list: <T>(element: TypeInformation<T>): TypeInformation<T[]> => of({ kind: 'list', element: element.dataType }),
  row: <F extends Record<string, TypeInformation<unknown>>>(fields: F): TypeInformation<RowOf<F>> =>
    of({ kind: 'row', fields: Object.entries(fields).map(([name, type]) => ({ name, type: type.dataType })) }),
  nullable: <T>(type: TypeInformation<T>): TypeInformation<T | null> => of({ ...type.dataType, nullable: true }),
  generic: <T = unknown>(): TypeInformation<T> => of({ kind: 'generic' }),
}
