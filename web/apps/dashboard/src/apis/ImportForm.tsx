import { Button, Checkbox, Progress, Skeleton, Stack, TextInput } from '@mantine/core';
import { getRouteApi } from '@tanstack/react-router';
import { asProblem } from '@tollgate/client';
import { Card, ErrorView, format, Segments } from '@tollgate/ui';
import { type FormEvent, lazy, Suspense, useMemo, useRef, useState } from 'react';
import type { EditorHandle } from '../editor/CodeEditor';
import { SegmentLink } from '../frame/links';
import { FileDrop, type PickedFile } from './FileDrop';
import classes from './Import.module.css';
import type { Draft, SecretHeader } from './importApi';
import { peek } from './peek';
import type { Fault } from './place';
import { Remarks } from './Remarks';
import { SecretHeaderFields } from './SecretHeaderFields';
import type { ImportSource } from './search';

const Editor = lazy(() => import('./Editor'));
const route = getRouteApi('/signed-in/apis/import');

const SOURCES: { from: ImportSource; label: string }[] = [
  { from: 'file', label: 'File' },
  { from: 'url', label: 'URL' },
  { from: 'paste', label: 'Paste' },
];

/** What the server's fields are called on screen. */
const LABELS: Record<string, string> = {
  name: 'Name',
  stage: 'Stage',
  upstreamUrl: 'Upstream URL',
  documentUrl: 'Address of the document',
  secretHeaders: 'Header name',
  'secretHeaders[0].name': 'Header name',
  'secretHeaders[0].value': 'Header value',
};

type ImportFormProps = { send: (draft: Draft) => void; sending: boolean; faults: Fault[]; error: Error | null };

/** Where the document comes from and how the API is to be called. What the document says is filled in. */
export function ImportForm({ send, sending, faults, error }: ImportFormProps) {
  const { from = 'file' } = route.useSearch();
  const [file, setFile] = useState<PickedFile | null>(null);
  const [url, setUrl] = useState('');
  const [pasted, setPasted] = useState('');
  const [name, setName] = useState<string | null>(null);
  const [upstream, setUpstream] = useState<string | null>(null);
  const [stage, setStage] = useState('dev');
  const [keyed, setKeyed] = useState(true);
  const [secret, setSecret] = useState<SecretHeader>({ name: '', value: '' });
  const [missing, setMissing] = useState(false);
  const editor = useRef<EditorHandle>(null);
  const source = useRef<HTMLDivElement>(null);

  const text = from === 'file' ? (file?.text ?? '') : from === 'paste' ? pasted : '';
  const found = useMemo(() => peek(text), [text]);
  const given = from === 'url' ? url.trim() !== '' : text.trim() !== '';

  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    setMissing(!given);
    if (!given) {
      source.current?.querySelector<HTMLElement>('input, [contenteditable]')?.focus();
      return;
    }
    send({
      name: (name ?? found.title ?? '').trim(),
      upstreamUrl: (upstream ?? found.upstreamUrl ?? '').trim(),
      stage: stage.trim(),
      requireApiKey: keyed,
      secretHeaders: secret.name.trim() ? [{ ...secret, name: secret.name.trim() }] : [],
      ...(from === 'url' ? { documentUrl: url.trim() } : { document: text }),
    });
  };
  const fault = (field: string) => faults.find((one) => one.field === field)?.message;

  return (
    <form onSubmit={onSubmit}>
      <Stack gap={16}>
        {error && <ErrorView failure={asProblem(error)} />}
        {faults.length > 0 && (
          <Remarks
            tone="bad"
            title={`Not imported, nothing was changed: ${format.plural(faults.length, 'fault')}`}
            remarks={faults.map(named)}
            focused
            onLine={from === 'paste' ? (line) => editor.current?.goToLine(line) : undefined}
          />
        )}
        <Card title="OpenAPI document" aside={<SourceLinks from={from} />}>
          <div ref={source}>
            {from === 'file' && <FileDrop file={file} onFile={setFile} />}
            {from === 'url' && (
              <TextInput
                label="Address of the document"
                description="Fetched by the server, JSON or YAML."
                placeholder="https://example.com/openapi.yaml"
                type="url"
                value={url}
                onChange={(event) => setUrl(event.currentTarget.value)}
                error={fault('documentUrl')}
              />
            )}
            {from === 'paste' && (
              <Suspense fallback={<Skeleton h={320} radius={10} aria-label="Loading the editor" />}>
                <Editor ref={editor} value={pasted} onChange={setPasted} />
              </Suspense>
            )}
          </div>
          {missing && !given && (
            <p className={classes.missing} role="alert">
              {{ file: 'Choose a file first.', url: 'Enter an address first.', paste: 'Paste a document first.' }[from]}
            </p>
          )}
        </Card>
        <Card title="How it is called">
          <div className={classes.fields}>
            <TextInput
              label="Name"
              placeholder="From the document's title"
              maxLength={128}
              value={name ?? found.title ?? ''}
              onChange={(event) => setName(event.currentTarget.value)}
              error={fault('name')}
            />
            <TextInput
              label="Stage"
              description="Part of the invoke URL."
              required
              withAsterisk={false}
              pattern="[A-Za-z0-9_\-]{1,128}"
              title="Letters, digits, - and _"
              value={stage}
              onChange={(event) => setStage(event.currentTarget.value)}
              error={fault('stage')}
            />
            <div className={classes.whole}>
              <TextInput
                label="Upstream URL"
                description="Where the gateway forwards calls to. Left empty, the document's first server."
                placeholder="https://api.example.com/v1"
                type="url"
                value={upstream ?? found.upstreamUrl ?? ''}
                onChange={(event) => setUpstream(event.currentTarget.value)}
                error={fault('upstreamUrl')}
              />
            </div>
            <SecretHeaderFields
              value={secret}
              onChange={setSecret}
              nameError={fault('secretHeaders') ?? fault('secretHeaders[0].name')}
              valueError={fault('secretHeaders[0].value')}
            />
            <Checkbox
              className={classes.whole}
              label="Calls need an API key"
              checked={keyed}
              onChange={(event) => setKeyed(event.currentTarget.checked)}
            />
          </div>
        </Card>
        <div className={classes.submit}>
          <Button type="submit" size="md" loading={sending} loaderProps={{ type: 'dots' }}>
            Import and deploy
          </Button>
          <div className={classes.progress} role="status">
            {sending && (
              <>
                <span>{progressText(from, text, url)}</span>
                <Progress value={100} animated size="sm" aria-label="Importing" />
              </>
            )}
          </div>
        </div>
      </Stack>
    </form>
  );
}

function SourceLinks({ from }: { from: ImportSource }) {
  return (
    <Segments label="Where the document comes from">
      {SOURCES.map((source) => (
        <SegmentLink
          key={source.from}
          to="/apis/import"
          search={source.from === 'file' ? {} : { from: source.from }}
          current={source.from === from}
          replace
        >
          {source.label}
        </SegmentLink>
      ))}
    </Segments>
  );
}

/** A fault with the field it is about, for where it stands apart from that field. */
function named(fault: Fault): Fault {
  const label = LABELS[fault.field ?? ''];
  return label ? { ...fault, message: `${label}: ${fault.message}` } : fault;
}

function progressText(from: ImportSource, text: string, url: string): string {
  const what = from === 'url' ? url : format.bytes(new Blob([text]).size);
  return `Reading ${what}, checking, deploying…`;
}
