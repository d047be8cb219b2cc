// A line without axes, small enough for a figure's side.

/** A line of what was, the last value marked; nothing is smoothed. */
export function Spark({ data, w = 96, h = 24, tone = 'var(--c1)' }: { data: number[]; w?: number; h?: number; tone?: string }) {
  if (data.length < 2) return null
  const low = Math.min(...data), high = Math.max(...data)
  const y = (v: number) => h - 3 - (high > low ? (v - low) / (high - low) : 0.5) * (h - 6), x = (i: number) => 1 + (i * (w - 5)) / (data.length - 1)
  const line = data.map((v, i) => `${i ? 'L' : 'M'}${x(i).toFixed(1)} ${y(v).toFixed(1)}`).join('')
  const last = data.length - 1
  return (
    <svg width={w} height={h} viewBox={`0 0 ${w} ${h}`} aria-hidden preserveAspectRatio="none" style={{ display: 'block' }}>
      <path d={`${line}L${x(last)} ${h}L1 ${h}Z`} fill={tone} opacity=".09" />
      <path d={line} fill="none" stroke={tone} strokeWidth="1.4" strokeLinejoin="round" />
      <circle cx={x(last)} cy={y(data[last])} r="2.1" fill={tone} />
    </svg>
  )
}
