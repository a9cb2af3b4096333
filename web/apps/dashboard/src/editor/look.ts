import { HighlightStyle, syntaxHighlighting } from '@codemirror/language';
import type { Extension } from '@codemirror/state';
import { tags } from '@lezer/highlight';
import { EditorView } from 'codemirror';

const highlight = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: 'var(--tg-accent-text)' },
  { tag: [tags.string, tags.content], color: 'var(--tg-good)' },
  { tag: [tags.number, tags.bool, tags.null], color: 'var(--tg-warn)' },
  { tag: [tags.comment, tags.meta], color: 'var(--mantine-color-dimmed)' },
]);

const look = EditorView.theme({
  '&': { height: '100%', backgroundColor: 'var(--tg-sunken)', color: 'var(--mantine-color-text)' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': { fontFamily: 'var(--mantine-font-family-monospace)', lineHeight: '1.55' },
  '.cm-content': { caretColor: 'var(--mantine-color-text)' },
  '.cm-cursor': { borderLeftColor: 'var(--mantine-color-text)' },
  '.cm-gutters': {
    backgroundColor: 'var(--tg-sunken)',
    color: 'var(--mantine-color-dimmed)',
    borderRight: '1px solid var(--tg-line)',
  },
  '.cm-activeLine, .cm-activeLineGutter': { backgroundColor: 'transparent' },
  '.cm-placeholder': { color: 'var(--mantine-color-dimmed)' },
  '&.cm-focused .cm-activeLine, &.cm-focused .cm-activeLineGutter': {
    backgroundColor: 'color-mix(in srgb, var(--tg-accent) 7%, transparent)',
  },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': {
    backgroundColor: 'color-mix(in srgb, var(--tg-accent) 26%, transparent)',
  },
  '.cm-tooltip': {
    backgroundColor: 'var(--tg-card)',
    border: '1px solid var(--mantine-color-default-border)',
    borderRadius: '8px',
  },
  '.cm-tooltip-autocomplete ul li[aria-selected]': {
    backgroundColor: 'var(--tg-accent-soft)',
    color: 'var(--tg-accent-text)',
  },
  '.cm-foldPlaceholder': { backgroundColor: 'var(--tg-card)', border: '1px solid var(--tg-line)', color: 'inherit' },
});

/** Our colours, in both schemes by the same variables. */
export const editorLook: Extension = [syntaxHighlighting(highlight), look];
