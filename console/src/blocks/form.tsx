// A form made from the schema of a row: one case decided by hand, answered when it is durable.
import { useMutation } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useId, useState } from 'react'
import { call, useCircumstances } from '../api/client'
import type { Decided, Schema } from '../api/types'
import { Outcome, Refused } from '../design/pieces'
import { t } from '../i18n'

export default function DecideForm({ data }: { data: { app: string; schema: Schema } }) {
  const { app, schema } = data
  const [row, setRow] = useState<Record<string, string>>({})
  const [more, setMore] = useState(false)
  const { purpose } = useCircumstances()
  const id = useId()
  const decide = useMutation<Decided, Error>({
    mutationFn: () => call(`/v1/apps/${app}/decide`, { method: 'POST', purpose, body: { row: typed(schema, row) } }),
  })
  const names = Object.keys(schema.properties)
  const shown = names.filter(n => schema.required.includes(n) || more)
  return (
    <form className="form" onSubmit={e => { e.preventDefault(); decide.mutate() }}>
      {shown.map(name => {
        const field = schema.properties[name], needed = schema.required.includes(name), hint = `${id}-${name}`
        const common = { id: `${hint}-f`, className: 'field', value: row[name] ?? '', required: needed, 'aria-describedby': hint, onChange: (e: { target: { value: string } }) => setRow({ ...row, [name]: e.target.value }) }
        return (
          <label key={name} htmlFor={`${hint}-f`}><span className="strong">{name}{!needed && <span className="ink3 cap"> {t('optional')}</span>}</span>
            {field.enum ? <select {...common}><option value="" />{field.enum.map(v => <option key={v}>{v}</option>)}</select> : field.type === 'boolean' ? <select {...common}><option value="" /><option value="true">{t('yes')}</option><option value="false">{t('no')}</option></select> : <input {...common} placeholder={String(field.examples?.[0] ?? '')} autoComplete="off" />}
            <span className="cap ink3" id={hint}>{field.description}</span>
          </label>
        )
      })}
      <div className="wide row wrap"><button className="btn primary" type="submit" disabled={decide.isPending}>{decide.isPending ? t('Deciding…') : t('Store and decide')}</button>{names.length > schema.required.length && <button type="button" className="btn" onClick={() => setMore(!more)}>{more ? t('Needed fields only') : t('All {n} fields', { n: names.length })}</button>}<span className="cap ink3">{t('The row is checked and stored first; the decision is final.')}</span></div>
      {decide.error && <div className="wide"><Refused error={decide.error} /></div>}
      {decide.data && <div className="wide row wrap" role="status"><Outcome name={decide.data.outcome} /><span>{decide.data.why}</span><Link className="link" to="/decisions/$id" params={{ id: decide.data.id }}>{t('Open')}</Link></div>}
    </form>
  )
}

/** Values as the API takes them: what is empty is left out. */
function typed(schema: Schema, row: Record<string, string>): Record<string, string | boolean> {
  return Object.fromEntries(Object.entries(row).filter(([, v]) => v.trim() !== '').map(([n, v]) => [n, schema.properties[n].type === 'boolean' ? v === 'true' : v.trim()]))
}
