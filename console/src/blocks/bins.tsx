// The bin editor: bins of the card in use, merged by hand, and what that would change on rows held out.
import { useMutation, useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useEffect, useId, useState } from 'react'
import { call, useCircumstances } from '../api/client'
import { Empty, Refused, Scroll } from '../design/pieces'
import { decimal, int, said, t } from '../i18n'

interface Bin { bin: number; holds: string; good: number; bad: number; points: number }
interface Swap { was: string; would_be: string; rows: number; bad: number | null }
interface Tried {
  input: string; kept: number; bins: Bin[]; would_be: Bin[]; rows: number; cut: number[]; auc: number[]
  approved: number[]; bad_rate: (number | null)[]; expected_loss: (number | null)[]; swaps: Swap[]
}

export default function BinEditor({ data }: { data: { app: string; inputs: string[] } }) {
  const { app, inputs } = data
  const [input, setInput] = useState('')
  const [chosen, setChosen] = useState<number[]>([])
  const [reason, setReason] = useState('')
  const [cut, setCut] = useState('')
  const { purpose } = useCircumstances()
  const id = useId(), path = `/v1/apps/${app}/card/bins`
  const now = useQuery<Tried, Error>({ queryKey: [path, input, purpose], enabled: !!input, queryFn: ({ signal }) => call(path, { method: 'POST', purpose, signal, body: { input } }) })
  const change = useMutation<Tried, Error, boolean>({
    mutationFn: keep => call(path, { method: 'POST', purpose, body: { input, bins: chosen, reason, keep, ...(cut ? { cut: Number(cut) } : {}) } }),
  })
  // It takes longer than a click allows a window to be opened by itself, so it is opened by a link.
  const report = useMutation<string, Error>({
    mutationFn: async () => URL.createObjectURL(new Blob([(await call<{ html: string }>(`/v1/apps/${app}/card/report`, { purpose })).html], { type: 'text/html' })),
  })
  useEffect(() => { const made = report.data; return made ? () => URL.revokeObjectURL(made) : undefined }, [report.data])
  if (!inputs.length) return <Empty command={`heptad train ${app}`}>{t('No scorecard is in use yet.')}</Empty>
  const pick = (n: number) => setChosen(chosen.includes(n) ? chosen.filter(m => m !== n) : [...chosen, n].sort((a, b) => a - b))
  const ready = chosen.length > 1 && reason.trim().length > 2
  return (
    <form className="form" onSubmit={e => { e.preventDefault(); change.mutate(false) }}>
      <label htmlFor={`${id}-i`}><span className="strong">{t('Input')}</span>
        <select id={`${id}-i`} className="field" value={input} onChange={e => { setInput(e.target.value); setChosen([]); change.reset() }}><option value="" />{inputs.map(n => <option key={n}>{n}</option>)}</select></label>
      <label htmlFor={`${id}-r`}><span className="strong">{t('Why the bins are merged')}</span>
        <input id={`${id}-r`} className="field" value={reason} autoComplete="off" onChange={e => setReason(e.target.value)} /></label>
      <label htmlFor={`${id}-c`}><span className="strong">{t('Another least score')}<span className="ink3 cap"> {t('optional')}</span></span>
        <input id={`${id}-c`} className="field" inputMode="numeric" value={cut} autoComplete="off" onChange={e => setCut(e.target.value.replace(/\D/g, ''))} /></label>
      {now.error && <div className="wide"><Refused error={now.error} /></div>}
      <div className="wide"><Scroll label={t('Bins')}><table><thead><tr><th>{t('Merge')}</th><th>{t('Holds')}</th><th className="r">{t('Good')}</th><th className="r">{t('Bad')}</th><th className="r">{t('Points')}</th></tr></thead>
        <tbody>{(now.data?.bins ?? []).map(b => <tr key={b.bin}><td><input type="checkbox" aria-label={t('Merge bin {n}', { n: b.bin })} checked={chosen.includes(b.bin)} onChange={() => pick(b.bin)} /></td><td className="mono">{b.holds}</td><td className="r">{int(b.good)}</td><td className="r">{int(b.bad)}</td><td className="r">{int(b.points)}</td></tr>)}</tbody></table></Scroll></div>
      <div className="wide row wrap">
        <button className="btn primary" type="submit" disabled={change.isPending || !(ready || cut)}>{change.isPending ? t('Trying…') : t('What would it change?')}</button>
        <button className="btn" type="button" disabled={change.isPending || !ready} onClick={() => change.mutate(true)}>{t('Keep as a candidate')}</button>
        <button className="btn" type="button" disabled={report.isPending} onClick={() => report.mutate()}>{report.isPending ? t('Trying…') : t('Validation report')}</button>
        {report.data && <a className="link" href={report.data} target="_blank" rel="noopener">{t('Open the report')}</a>}
        <span className="cap ink3">{t('A candidate decides nothing until somebody else approves it.')}</span>
      </div>
      {(change.error ?? report.error) && <div className="wide"><Refused error={(change.error ?? report.error)!} /></div>}
      {change.data && <div className="wide" role="status"><Changed found={change.data} /></div>}
    </form>
  )
}

/** Two cards side by side on the rows held out, and who moves in and out. */
function Changed({ found }: { found: Tried }) {
  const rows: [string, (number | null)[], (n: number) => string][] = [
    [t('Least score'), found.cut, int], [t('Approved'), found.approved, decimal], [t('Bad rate of those approved'), found.bad_rate, decimal],
    [t('Area under the curve'), found.auc, decimal], [t('Expected loss'), found.expected_loss, int],
  ]
  const shown = (v: number | null | undefined, how: (n: number) => string) => v === null || v === undefined ? '–' : how(v)
  return (
    <>
      {found.kept > 0 && <p className="row wrap"><span className="badge good">{t('kept as candidate {n}', { n: found.kept })}</span><Link className="link" to="/models">{t('Open')}</Link></p>}
      <Scroll label={t('Two cards side by side')}><table><thead><tr><th>{t('On {n} rows held out', { n: int(found.rows) })}</th><th className="r">{t('Now')}</th><th className="r">{t('Would be')}</th></tr></thead>
        <tbody>{rows.filter(r => r[1].length).map(([name, v, how]) => <tr key={name}><td>{name}</td><td className="r">{shown(v[0], how)}</td><td className="r">{shown(v[1], how)}</td></tr>)}</tbody></table></Scroll>
      {found.swaps.length > 0 && <Scroll label={t('Who moves in and out')}><table><thead><tr><th>{t('Now')}</th><th>{t('Would be')}</th><th className="r">{t('Rows')}</th><th className="r">{t('Bad')}</th></tr></thead>
        <tbody>{found.swaps.map(s => <tr key={s.was + s.would_be}><td>{said(s.was)}</td><td>{said(s.would_be)}</td><td className="r">{int(s.rows)}</td><td className="r">{shown(s.bad, int)}</td></tr>)}</tbody></table></Scroll>}
    </>
  )
}
