// Who read what about whom, why and on which basis; asking is recorded as well.
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { useRead } from '../api/client'
import type { AccessLine } from '../api/types'
import { Card, Empty, Head, Scroll, State, When } from '../design/pieces'
import { int, said, t } from '../i18n'

const TONE = { opened: '', masked: 'accent', refused: 'bad' } as const

export default function Accesses() {
  const { subject = '' } = useSearch({ strict: false }) as { subject?: string }
  const go = useNavigate()
  const [text, setText] = useState(subject)
  const seen = useRead<{ accesses: AccessLine[]; entries: number }>('access', { subject, limit: 200 }, { at: 'until' })
  return (
    <>
      <Head title={t('Accesses')}>{t('Who read what about whom, and why? Asking is recorded as well.')}</Head>
      <form className="filters" onSubmit={e => { e.preventDefault(); void go({ to: '.', search: (before: Search) => ({ ...before, subject: text.trim() || undefined }) }) }}>
        <label><span className="vh">{t('Subject')}</span><input className="field" style={{ height: 28, width: 240 }} placeholder="Customer:C00000042" value={text} onChange={e => setText(e.target.value)} /></label><button className="ctl" type="submit">{t('Find')}</button>
      </form>
      <State q={seen} height={480}>{data => (
        <Card title={t('Accesses')} plain note={t('{n} of {total}', { n: int(data.accesses.length), total: int(data.entries) })}>
          {!data.accesses.length ? <Empty command="heptad access">{t('Nobody has read anything about this subject.')}</Empty> : (
            <Scroll label={t('Accesses')}><table style={{ marginTop: 4 }}><thead><tr><th>{t('Instant, UTC')}</th><th>{t('Who')}</th><th>{t('Purpose')}</th><th>{t('What was done')}</th><th>{t('Answer')}</th><th>{t('Tables')}</th><th className="r">{t('Rows')}</th><th className="r">{t('People')}</th></tr></thead>
              <tbody>{data.accesses.map(a => <tr key={a.number} title={JSON.stringify(a.asked)}><td className="ink2"><When at={a.when} /></td><td className="nowrap">{a.who} <span className="ink3">{said(a.role)}</span></td><td className="nowrap">{a.purpose ? said(a.purpose) : <span className="ink3">{t('none')}</span>}<div className="cap ink3">{said(a.basis)}</div></td><td className="nowrap">{said(a.action)}<div className="cap ink3 mono">{Object.values(a.asked).filter(v => typeof v === 'string' && v).slice(0, 2).map(String).join(' ').slice(0, 40)}</div></td><td><span className={`badge ${TONE[a.result]}`}>{said(a.result)}</span></td><td className="ink2">{a.tables.join(', ')}</td><td className="r">{int(a.rows)}</td><td className="r">{a.about.length === 1 ? <span className="mono">{a.about[0]}</span> : int(a.people)}</td></tr>)}</tbody></table></Scroll>
          )}
        </Card>
      )}</State>
    </>
  )
}
