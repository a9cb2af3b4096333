import { json } from '@codemirror/lang-json';
import { yaml } from '@codemirror/lang-yaml';
import { HighlightStyle, syntaxHighlighting } from '@codemirror/language';
import { Compartment, EditorState } from '@codemirror/state';
import { tags } from '@lezer/highlight';
import { basicSetup, EditorView } from 'codemirror';
import { type Ref, useEffect, useImperativeHandle, useRef } from 'react';
import classes from './Import.module.css';

export type EditorHandle = { goToLine: (line: number) => void };
type EditorProps = { value: string; onChange: (text: string) => void; ref?: Ref<EditorHandle> };

/** Text editor for a document, JSON or YAML by its first character. Tab leaves it, as everywhere on the page. */
export default function Editor({ value, onChange, ref }: EditorProps) {
  const box = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const initial = useRef(value);
  const changed = useRef(onChange);
  useEffect(() => {
    changed.current = onChange;
  });

  useEffect(() => {
    if (!box.current) return;
    const language = new Compartment();
    let isJson = startsJson(initial.current);
    const follow = EditorView.updateListener.of((update) => {
      if (!update.docChanged) return;
      const text = update.state.doc.toString();
      changed.current(text);
      if (startsJson(text) === isJson) return;
      isJson = !isJson;
      update.view.dispatch({ effects: language.reconfigure(isJson ? json() : yaml()) });
    });
    const drawn = new EditorView({
      parent: box.current,
      state: EditorState.create({
        doc: initial.current,
        extensions: [
          basicSetup,
          language.of(isJson ? json() : yaml()),
          syntaxHighlighting(highlight),
          look,
          follow,
          EditorView.contentAttributes.of({ 'aria-label': 'OpenAPI document, JSON or YAML' }),
        ],
      }),
    });
    view.current = drawn;
    return () => drawn.destroy();
  }, []);

  useImperativeHandle(ref, () => ({
    goToLine: (line) => {
      const drawn = view.current;
      if (!drawn) return;
      const { from } = drawn.state.doc.line(Math.min(Math.max(line, 1), drawn.state.doc.lines));
      drawn.dispatch({ selection: { anchor: from }, effects: EditorView.scrollIntoView(from, { y: 'center' }) });
      drawn.focus();
    },
  }));

  return <div className={classes.editor} ref={box} />;
}

function startsJson(text: string): boolean {
  return text.trimStart().startsWith('{');
}

const highlight = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: 'var(--tg-accent-text)' },
  { tag: [tags.string, tags.content], color: 'var(--tg-good)' },
  { tag: [tags.number, tags.bool, tags.null], color: 'var(--tg-warn)' },
  { tag: [tags.comment, tags.meta], color: 'var(--mantine-color-dimmed)' },
]);

const look = EditorView.theme({
  '&': { height: '340px', backgroundColor: 'var(--tg-sunken)', color: 'var(--mantine-color-text)' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': { fontFamily: 'var(--mantine-font-family-monospace)', lineHeight: '1.55' },
  '.cm-content': { caretColor: 'var(--mantine-color-text)' },
  '.cm-cursor': { borderLeftColor: 'var(--mantine-color-text)' },
  '.cm-gutters': {
    backgroundColor: 'var(--tg-sunken)',
    color: 'var(--mantine-color-dimmed)',
    borderRight: '1px solid var(--tg-line)',
  },
  '.cm-activeLine, .cm-activeLineGutter': { backgroundColor: 'color-mix(in srgb, var(--tg-accent) 7%, transparent)' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': {
    backgroundColor: 'color-mix(in srgb, var(--tg-accent) 26%, transparent)',
  },
  '.cm-foldPlaceholder': { backgroundColor: 'var(--tg-card)', border: '1px solid var(--tg-line)', color: 'inherit' },
});
