// Points in place and time as columns, and what is drawn of them: tracks, cells, bars.

export interface Point { at: number; lat: number; lon: number; who: string; amount: number; mark: boolean; text?: string }
type Some = ArrayLike<number>
export interface Columns { at: Some; lat: Some; lon: Some; who: ArrayLike<string | number>; amount: Some; mark?: Some }
export type Points = Point[] | Columns
/** Columns sorted by time; instants in milliseconds, degrees WGS 84, amounts in minor units. */
export interface Spots { at: Float64Array; lat: Float64Array; lon: Float64Array; amount: Float64Array; mark: Uint8Array; who: (string | number)[]; text?: (string | undefined)[] }

export function columns(points: Points): Spots {
  const rows = Array.isArray(points)
  const n = rows ? points.length : points.at.length
  const when = rows ? points.map(p => p.at) : points.at
  const order = Array.from({ length: n }, (_, i) => i).sort((a, b) => when[a] - when[b])
  const take = (of: (i: number) => number) => Float64Array.from(order, of)
  if (rows) return { at: take(i => points[i].at), lat: take(i => points[i].lat), lon: take(i => points[i].lon), amount: take(i => points[i].amount), mark: Uint8Array.from(order, i => Number(points[i].mark)), who: order.map(i => points[i].who), text: order.map(i => points[i].text) }
  return { at: take(i => points.at[i]), lat: take(i => points.lat[i]), lon: take(i => points.lon[i]), amount: take(i => points.amount[i] ?? 0), mark: Uint8Array.from(order, i => points.mark?.[i] ?? 0), who: order.map(i => points.who[i]) }
}

/** From each place of somebody to their next one, each leg with the instant at which it ends. */
export interface Leg { from: [number, number]; to: [number, number]; at: number; mark: boolean }
export function tracks(spots: Spots): Leg[] {
  const before = new Map<string | number, number>(), legs: Leg[] = []
  for (let i = 0; i < spots.at.length; i++) {
    const j = before.get(spots.who[i])
    if (j !== undefined && (spots.lon[i] !== spots.lon[j] || spots.lat[i] !== spots.lat[j])) {
      legs.push({ from: [spots.lon[j], spots.lat[j]], to: [spots.lon[i], spots.lat[i]], at: spots.at[i], mark: spots.mark[i] > 0 })
    }
    before.set(spots.who[i], i)
  }
  return legs
}

/** Counts in cells of some degrees, of what happened between two instants. */
export function cells(spots: Spots, from: number, to: number, size: number): { lat: number; lon: number; n: number; amount: number }[] {
  const found = new Map<number, { lat: number; lon: number; n: number; amount: number }>()
  const wide = Math.ceil(400 / size)
  for (let i = 0; i < spots.at.length; i++) {
    if (spots.at[i] < from || spots.at[i] > to) continue
    const x = Math.floor(spots.lon[i] / size), y = Math.floor(spots.lat[i] / size), id = (x + wide) * 4 * wide + y + wide
    const cell = found.get(id)
    if (cell) { cell.n += 1; cell.amount += spots.amount[i] } else found.set(id, { lon: (x + 0.5) * size, lat: (y + 0.5) * size, n: 1, amount: spots.amount[i] })
  }
  return [...found.values()]
}

/** How many happened in each of n equal spans of time. */
export function buckets(spots: Spots, first: number, last: number, n: number): number[] {
  const bars = new Array<number>(n).fill(0), wide = Math.max(1, last - first)
  for (const at of spots.at) bars[Math.min(n - 1, Math.floor(((at - first) / wide) * n))] += 1
  return bars
}
