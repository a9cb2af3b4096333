import { json } from '@codemirror/lang-json';
import { EditorView } from '@codemirror/view';
import { Button, Stack } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { asProblem } from '@tollgate/client';
import { Card, CopyButton, ErrorView, format, PageHeader } from '@tollgate/ui';
import { graphql } from 'cm6-graphql';
import { useRef, useState } from 'react';
import { CodeEditor } from '../editor/CodeEditor';
import { Docs } from './Docs';
import classes from './Graphiql.module.css';
import { run } from './run';
import { schema } from './schema';

const route = getRouteApi('/signed-in/graphiql');

const SAMPLE = `query MyApis {
  apis(first: 10) {
    nodes {
      id
      name
      stages { name invokeUrl }
    }
  }
}
`;

/** Completion and checks by the schema. */
const OPERATION = [graphql(schema), EditorView.lineWrapping];

/** The admin API to try, with the session one is signed in with: editor, variables, answer, documentation. */
export function Graphiql() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const [query, setQuery] = useState(search.query ?? SAMPLE);
  const [variables, setVariables] = useState(search.variables ?? '');
  const answer = useRef<HTMLDivElement>(null);
  const running = useMutation({
    mutationFn: () => run(query, variables),
    onMutate: () => {
      void navigate({ search: (before) => ({ ...before, query, variables: variables || undefined }), replace: true });
    },
    // On a small screen the answer lies below what can be seen.
    onSettled: () => answer.current?.scrollIntoView({ block: 'nearest' }),
  });

  return (
    <div>
      <PageHeader
        title="GraphiQL"
        below={
          <p className={classes.lead}>
            The admin API at /graphql, with your session. An operation that was run is in the address: share it.
          </p>
        }
      >
        <Button onClick={() => running.mutate()} loading={running.isPending} aria-keyshortcuts="Control+Enter">
          Run
        </Button>
      </PageHeader>
      <div className={classes.panes}>
        <Stack gap={16} miw={0}>
          <Card
            title="Operation"
            aside={<span className={classes.hint}>Ctrl + Enter runs, Ctrl + Space completes</span>}
          >
            <CodeEditor
              label="GraphQL operation"
              height={300}
              value={query}
              onChange={setQuery}
              extensions={OPERATION}
              onRun={() => running.mutate()}
            />
          </Card>
          <Card title="Variables">
            <CodeEditor
              label="Variables, JSON"
              hint='JSON, for example { "first": 10 }'
              height={110}
              value={variables}
              onChange={setVariables}
              extensions={json()}
            />
          </Card>
        </Stack>
        <Stack gap={16} miw={0}>
          {running.error && <ErrorView failure={asProblem(running.error)} />}
          <div ref={answer}>
            <Card
              title="Answer"
              aside={
                <span className={classes.hint} role="status">
                  {running.data && (
                    <>
                      {format.millis(Math.round(running.data.milliseconds))}
                      <CopyButton text={running.data.text} label="the answer" />
                    </>
                  )}
                </span>
              }
            >
              <pre className={classes.answer} tabIndex={0} role="region" aria-label="Answer as JSON">
                {running.data?.text ?? <span className={classes.none}>Run the operation: its answer comes here.</span>}
              </pre>
            </Card>
          </div>
          <Docs />
        </Stack>
      </div>
    </div>
  );
}
