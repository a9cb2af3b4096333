import { TextInput } from '@mantine/core';
import { getRouteApi } from '@tanstack/react-router';
import { Card, IconSearch } from '@tollgate/ui';
import { useMemo, useState } from 'react';
import { TextLink } from '../frame/links';
import { type Entry, sections } from './docs';
import classes from './Graphiql.module.css';
import { schema } from './schema';

const route = getRouteApi('/signed-in/graphiql');

/** The schema to read: types lead to types, and each is a link. */
export function Docs() {
  const { type } = route.useSearch();
  const [search, setSearch] = useState('');
  const shown = useMemo(() => sections(schema, type, search), [type, search]);
  return (
    <Card
      title="Documentation"
      aside={
        type && (
          <TextLink to="/graphiql" search={(before) => ({ ...before, type: undefined })} size="sm" replace>
            All operations
          </TextLink>
        )
      }
    >
      <TextInput
        type="search"
        size="xs"
        mb={12}
        aria-label="Search fields by name"
        placeholder="Search fields"
        leftSection={<IconSearch size={14} aria-hidden />}
        value={search}
        onChange={(event) => setSearch(event.currentTarget.value.trim())}
      />
      {/* A region that scrolls must be reachable by keyboard. */}
      <div className={classes.docs} tabIndex={0} role="region" aria-label="Schema">
        {shown.map((section) => (
          <section key={section.title} aria-label={section.title}>
            <h3 className={classes.type}>{section.title}</h3>
            {section.description && <p className={classes.description}>{section.description}</p>}
            <ul className={classes.entries}>
              {section.entries.map((entry) => (
                <li key={entry.name}>
                  <Signature entry={entry} />
                  {entry.description && <p className={classes.description}>{entry.description}</p>}
                </li>
              ))}
            </ul>
            {section.entries.length === 0 && (
              <p className={classes.description}>{search ? 'No field matches.' : 'A scalar.'}</p>
            )}
          </section>
        ))}
      </div>
    </Card>
  );
}

function Signature({ entry }: { entry: Entry }) {
  return (
    <code className={classes.signature}>
      <b>{entry.name}</b>
      {entry.args.length > 0 && (
        <>
          (
          {entry.args.map((arg, index) => (
            <span key={arg.name}>
              {index > 0 && ', '}
              {arg.name}: <TypeLink name={arg.typeName} text={arg.type} />
            </span>
          ))}
          )
        </>
      )}
      {entry.type && entry.typeName && (
        <>
          : <TypeLink name={entry.typeName} text={entry.type} />
        </>
      )}
    </code>
  );
}

function TypeLink({ name, text }: { name: string; text: string }) {
  return (
    <TextLink to="/graphiql" search={(before) => ({ ...before, type: name })} inherit underline="always">
      {text}
    </TextLink>
  );
}
