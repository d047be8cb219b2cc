// For what a customer may be read: what they agreed or objected to, and what rests on a contract or the law.
import { Link } from '@tanstack/react-router'
import { Check, X } from 'lucide-react'
import { useRead } from '../api/client'
import type { ConsentsTold } from '../api/types'
import { Card, Scroll, State, When } from '../design/pieces'
import { said, t } from '../i18n'

export default function Consents({ customer, audit }: { customer: string; audit: boolean }) {
  const seen = useRead<ConsentsTold>(`customers/${encodeURIComponent(customer)}/consents`, {}, { at: 't' })
  const asides = audit && <Link className="link" to="/access" search={(before: Search) => ({ ...before, subject: `Customer:${customer}` })}>{t('Who read what')}</Link>
  return (
    <State q={seen} height={200}>{data => (
      <Card title={t('What may be read, and why')} plain aside={asides}>
        {!data.covered ? <p className="ink2" style={{ padding: '8px 16px 4px' }}>{t('The purpose that is stated does not cover what was agreed to; state service, audit or legal.')}</p> : (
          <Scroll label={t('What may be read, and why')}><table className="rows-top" style={{ marginTop: 4 }}><thead><tr><th>{t('Purpose')}</th><th>{t('Basis')}</th><th>{t('May be read')}</th><th>{t('Scope')}</th><th>{t('Status')}</th><th>{t('Since')}</th><th>{t('Until')}</th><th>{t('How it was given')}</th></tr></thead>
            <tbody>{data.asked.map(a => {
              const may = a.stands.length > 0, given = a.given.length ? a.given : [null]
              return given.map((g, i) => (
                <tr key={a.purpose + i}>
                  {i === 0 ? <><td className="strong" title={a.says}>{said(a.purpose)}</td><td className="ink2">{a.basis.split(', ').map(b => said(b)).join(', ')}</td><td className="nowrap">{may ? <span className="row" style={{ gap: 5 }} title={a.stands.join(', ')}><Check size={13} className="good" aria-hidden />{a.ends.length ? t('in part') : t('yes')}</span> : <span className="row ink3" style={{ gap: 5 }}><X size={13} aria-hidden />{t('no')}</span>}</td></> : <td colSpan={3} />}
                  {g ? <><td>{said(g.scope)}</td><td>{g.status === 'active' ? said(g.status) : <span className="badge warn">{said(g.status)}</span>}</td><td className="ink2"><When at={g.since} /></td><td className="ink2">{g.until ? <When at={g.until} /> : t('no end')}</td><td className="ink2">{said(g.mode)}</td></> : <td colSpan={5} className="ink3">{a.basis.includes('consent') ? t('never asked, or never agreed') : t('no objection')}</td>}
                </tr>
              ))
            })}</tbody></table></Scroll>
        )}
        <p className="cap ink3" style={{ padding: '8px 16px 12px' }}>{t('Without asking:')} {data.unasked.map(u => `${said(u.purpose)} (${said(u.basis)})`).join(', ')}.</p>
      </Card>
    )}</State>
  )
}
