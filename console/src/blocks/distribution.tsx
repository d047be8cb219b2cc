// How the values of a feature spread in the latest decisions, as bars and as a table.
import { useState } from 'react'
import type { Spot } from '../api/types'
import { Empty, Scroll } from '../design/pieces'
import { compact, int, money, percent, t } from '../i18n'

const H = 120

export default function Distribution({ data }: { data: (Spot & { name: string; unit: string }) | null }) {
  const [table, setTable] = useState(false)
  if (!data) return <Empty>{t('Nothing is there yet.')}</Empty>
  const most = Math.max(1, ...data.bins), step = 100 / data.bins.length, wide = (data.high - data.low) / data.bins.length
  const currency = / minor units$/.test(data.unit) ? data.unit.split(' ')[0] : ''
  const said = (v: number) => (currency ? `${money(v, currency)} ${currency}` : data.unit === 'fraction' ? percent(v) : `${compact(v)} ${data.unit}`)
  const sentence = t('{n} values from {low} to {high}', { n: int(data.n), low: said(data.low), high: said(data.high) })
  return (
    <figure>
      <div className="row" style={{ marginBottom: 8 }}><span className="cap ink3 grow">{sentence}</span><button className="ctl" style={{ height: 24 }} aria-pressed={table} onClick={() => setTable(!table)}>{table ? t('As chart') : t('As table')}</button></div>
      {table ? (
        <Scroll label={sentence}><table><thead><tr><th className="r">{t('From')}</th><th className="r">{t('To')}</th><th className="r">{t('Count')}</th></tr></thead><tbody>{data.bins.map((n, i) => n > 0 && <tr key={i}><td className="r">{said(data.low + i * wide)}</td><td className="r">{said(data.low + (i + 1) * wide)}</td><td className="r">{int(n)}</td></tr>)}</tbody></table></Scroll>
      ) : (
        <>
          <svg viewBox={`0 0 100 ${H}`} width="100%" height={H} preserveAspectRatio="none" role="img" aria-label={sentence}>{data.bins.map((n, i) => n > 0 && <rect key={i} x={i * step + 0.4} y={H - Math.max(2, (n / most) * (H - 4))} width={step - 0.8} height={Math.max(2, (n / most) * (H - 4))} fill="var(--c1)" />)}<line x1="0" x2="100" y1={H} y2={H} stroke="var(--line-2)" /></svg>
          <figcaption className="row num cap ink3" style={{ justifyContent: 'space-between', marginTop: 4 }}><span>{said(data.low)}</span><span>{said(data.high)}</span></figcaption>
        </>
      )}
    </figure>
  )
}
