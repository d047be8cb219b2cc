// What is tried without deciding: flows in shadow, and models that serve some people; what they would have changed.
import { useMutation } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { RotateCcw } from 'lucide-react'
import { call, url, useCircumstances, useOwn, useRead } from '../api/client'
import { usePage } from '../api/frames'
import type { ShadowLine, ShadowReport, TrialLine, TrialList } from '../api/types'
import { Block } from '../blocks'
import { Card, Empty, Head, Id, Outcome, outcomeWord, Refused, Scroll, State, useShortcuts, When } from '../design/pieces'
import { Share } from '../design/pictures'
import { int, percent, said, t } from '../i18n'
import './trials.css'

export default function Trials() {
  const search = useSearch({ strict: false }) as Record<string, string | undefined>
  const seen = useRead<TrialList>('trials')
  const { own } = useOwn()
  const go = useNavigate()
  const open = (s: ShadowLine) => void go({ to: '.', search: (before: Search) => ({ ...before, app: s.app, number: String(s.number), was: undefined, would_be: undefined }), replace: true })
  return (
    <>
      <Head title={t('Trials')}>{t('What would another flow or model have decided, and is it better?')}</Head>
      <State q={seen} height={480}>{data => {
        const mine = data.shadows.filter(s => own.some(a => a.name === s.app))
        const at = mine.find(s => s.app === search.app && String(s.number) === search.number) ?? mine.find(s => s.standing) ?? mine[0]
        return (
          <div className="stack">
            <Card title={t('Flows in shadow')} plain note={t('asked of every decision, decide nothing')}>
              {!data.shadows.length ? <Empty command="heptad flow publish APP FILE --shadow">{t('No flow is in shadow. An approved flow can be published as one: what it would have decided is recorded beside what was decided.')}</Empty> : (
                <Scroll label={t('Flows in shadow')}><table style={{ marginTop: 4 }}><thead><tr><th>{t('Application')}</th><th>{t('Flow')}</th><th>{t('Status')}</th><th className="r">{t('Persons')}</th><th>{t('Since, UTC')}</th><th>{t('Published by')}</th><th className="r">{t('Hash')}</th></tr></thead>
                  <tbody>{data.shadows.map(s => <tr key={s.app + s.number} data-at={s === at}><td>{said(s.title)}</td><td><button className="link strong" onClick={() => open(s)}>{s.flow} {s.version}</button> <Link className="link cap" to="/apps/$app/flow" params={{ app: s.app }} search={(before: Search) => ({ ...before, number: String(s.number), app: undefined, was: undefined, would_be: undefined })}>{t('Open the flow')}</Link></td><td>{s.standing ? <b className="strong">{t('in shadow')}</b> : <span className="ink3">{t('ended')}</span>}</td><td className="r">{percent(s.share, 0)}</td><td className="ink2"><When at={s.since} /></td><td>{s.who}</td><td><Id text={s.sha256} label={t('Copy the hash of {name}', { name: s.flow })} /></td></tr>)}</tbody></table></Scroll>
              )}
            </Card>
            {at && <Report key={at.app + at.number} line={at} was={search.was ?? ''} would={search.would_be ?? ''} />}
            {data.trials.map(trial => <Trial key={trial.app} trial={trial} may={own.some(a => a.name === trial.app)} />)}
          </div>
        )
      }}</State>
    </>
  )
}

/** One flow in shadow: how often it agrees, what it would have changed, and which decisions those are. */
function Report({ line, was, would }: { line: ShadowLine; was: string; would: string }) {
  const { purpose } = useCircumstances()
  const path = `apps/${encodeURIComponent(line.app)}/flow/shadow`
  const seen = useRead<ShadowReport>(path, { number: line.number, was, would_be: would })
  const again = useMutation<{ identical: number; different: number; erased: number }, Error>({ mutationFn: () => call(url(`${path}/replay`, { number: line.number }), { purpose }) })
  useShortcuts({ r: () => again.mutate() })
  return (
    <State q={seen} height={300}>{data => {
      const agreed = data.rows - data.changed - data.failed
      return (
        <div className="grid2">
          <Card title={t('What was decided, and what {flow} would have decided', { flow: `${line.flow} ${line.version}` })} plain note={t('{n} decisions', { n: int(data.rows) })}>
            {!data.rows ? <Empty>{t('It has not been asked of a decision yet: it follows those made since it was published.')}</Empty> : <Matrix data={data} was={was} would={would} />}
            {was && would && <p className="cap ink3 some">{t('{n} of {total}', { n: int(data.decisions.length), total: int(data.swaps.find(s => s.was === was && s.would_be === would)?.rows ?? 0) })} · {outcomeWord(was)} → {outcomeWord(would)}</p>}
            {was && would && <ul className="ids">{data.decisions.map(id => <li key={id}><Link className="link mono" to="/decisions/$id" params={{ id }}>{id.slice(0, 12)}</Link></li>)}</ul>}
          </Card>
          <div className="stack">
            <Card title={t('Agreement')} aside={<button className="ctl" style={{ height: 24 }} disabled={again.isPending || !data.rows} onClick={() => again.mutate()}><RotateCcw size={12} aria-hidden />{t('Ask again')} <kbd aria-hidden>R</kbd></button>}>
              <div className="figure num">{data.rows ? percent(agreed / data.rows, 2) : '–'}</div>
              <div style={{ margin: '6px 0 10px' }}><Share value={data.rows ? agreed / data.rows : 0} tone="var(--good-fill)" /></div>
              <dl className="dl"><dt>{t('Would be decided otherwise')}</dt><dd className="num strong">{int(data.changed)}</dd><dt>{t('It failed')}</dt><dd className={`num ${data.failed ? 'bad strong' : ''}`}>{int(data.failed)}{Object.keys(data.errors).length > 0 && <div className="cap">{Object.entries(data.errors).map(([name, n]) => `${name} ${int(n)}`).join(', ')}</div>}</dd><dt>{t('Behind the log')}</dt><dd className="num">{int(data.behind)}</dd></dl>
              {again.error && <Refused error={again.error} />}
              {again.data && <p role="status" className={again.data.different ? 'bad' : 'good'} style={{ marginTop: 8 }}>{again.data.different ? t('{n} differ from what it said', { n: int(again.data.different) }) : t('{n} asked again: equal, bit for bit', { n: int(again.data.identical) })}</p>}
            </Card>
            {Object.keys(data.reasons).length > 0 && <Card title={t('Its reasons')}><ul style={{ display: 'grid', gap: 6 }}>{Object.entries(data.reasons).sort((a, b) => b[1] - a[1]).slice(0, 12).map(([code, n]) => <li key={code} className="row"><span className="mono grow clip">{code}</span><Share value={n / data.rows} /><span className="num right" style={{ width: 56 }}>{int(n)}</span></li>)}</ul></Card>}
          </div>
        </div>
      )
    }}</State>
  )
}

/** Outcomes as decided down, as they would be across; the diagonal is agreement, the rest opens its decisions. */
function Matrix({ data, was, would }: { data: ShadowReport; was: string; would: string }) {
  const go = useNavigate()
  const all = [...new Set(data.swaps.flatMap(s => [s.was, s.would_be]))].sort()
  const n = (a: string, b: string) => data.swaps.find(s => s.was === a && s.would_be === b)?.rows ?? 0
  const most = Math.max(1, ...data.swaps.filter(s => s.was !== s.would_be).map(s => s.rows))
  const set = (a: string, b: string) => void go({ to: '.', search: (before: Search) => ({ ...before, app: data.app, number: String(data.number), was: a, would_be: b }), replace: true, resetScroll: false })
  return (
    <Scroll label={t('What would change')}>
      <table className="matrix" style={{ marginTop: 4 }}>
        <thead><tr><th>{t('Was')} ↓ {t('Would be')} →</th>{all.map(b => <th key={b} className="r">{outcomeWord(b)}</th>)}</tr></thead>
        <tbody>{all.map(a => <tr key={a}><th scope="row"><Outcome name={a as never} /></th>{all.map(b => {
          const rows = n(a, b)
          if (a === b) return <td key={b} className="r ink3">{int(rows)}</td>
          return <td key={b} className="r" style={rows ? { background: `color-mix(in srgb, var(--warn-soft) ${Math.round(35 + (rows / most) * 65)}%, transparent)` } : undefined}>{rows ? <button className="link strong" aria-pressed={a === was && b === would} aria-label={t('{n} decisions: {a} would be {b}', { n: int(rows), a: outcomeWord(a), b: outcomeWord(b) })} onClick={() => set(a, b)}>{int(rows)}</button> : <span className="ink3">·</span>}</td>
        })}</tr>)}</tbody>
      </table>
    </Scroll>
  )
}

/** Two models on people: whom the challenger serves, and what the application's own page says of both. */
function Trial({ trial, may }: { trial: TrialLine; may: boolean }) {
  const runs = trial.share > 0 || trial.shadow
  return (
    <Card title={t('Trial of rankers: {app}', { app: said(trial.title) })} plain note={runs ? undefined : t('none runs')}>
      <dl className="facts" style={{ padding: '8px 16px 12px' }}>
        <div><dt>{t('Served by the challenger')}</dt><dd>{percent(trial.share)}</dd></div>
        <div><dt>{t('The other asked too, unseen')}</dt><dd>{trial.shadow ? t('yes') : t('no')}</dd></div>
        <div><dt>{t('Champion')}</dt><dd><Named model={trial.champion} /></dd></div>
        <div><dt>{t('Challenger')}</dt><dd><Named model={trial.challenger} /></dd></div>
      </dl>
      {trial.page && may && runs && <Told app={trial.app} page={trial.page} />}
      {trial.page && may && <p className="cap" style={{ padding: '0 16px 14px' }}><Link className="link" to="/apps/$app/$page" params={{ app: trial.app, page: trial.page }}>{t('All figures of the trial')}</Link></p>}
    </Card>
  )
}

const Named = ({ model }: { model: TrialLine['champion'] }) => (model ? <Link className="link" to="/models/$number" params={{ number: String(model.number) }}>{model.model}</Link> : <span className="ink3">–</span>)

function Told({ app, page }: { app: string; page: string }) {
  const seen = usePage(app, page)
  return (
    <div className="told">
      <State q={seen} height={120}>{found => <div className="blocks">{found.blocks.map((b, i) => (/challenger/i.test(b.title) ? <Block key={i} block={{ ...b, width: 12 }} /> : null))}</div>}</State>
    </div>
  )
}
