import { EditorState, type Extension } from '@codemirror/state';
import { keymap, placeholder } from '@codemirror/view';
import { basicSetup, EditorView } from 'codemirror';
import { type Ref, useEffect, useImperativeHandle, useRef } from 'react';
import classes from './CodeEditor.module.css';
import { editorLook } from './look';

export type EditorHandle = { goToLine: (line: number) => void };

type CodeEditorProps = {
  label: string;
  /** What to write here, shown while nothing is. */
  hint?: string;
  /** The text at first; later changes come from the person. */
  value: string;
  onChange: (text: string) => void;
  /** What Ctrl + Enter does. */
  onRun?: () => void;
  /** Language and keys; read once. */
  extensions: Extension;
  height: number | string;
  ref?: Ref<EditorHandle>;
};

/** A text editor. Tab leaves it, as everywhere on the page. */
export function CodeEditor({ label, hint, value, onChange, onRun, extensions, height, ref }: CodeEditorProps) {
  const box = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const first = useRef({ value, extensions, label, hint: hint ?? '' });
  const newest = useRef({ onChange, onRun });
  useEffect(() => {
    newest.current = { onChange, onRun };
  });

  useEffect(() => {
    if (!box.current) return;
    const { value: doc, extensions: own, label: name, hint: words } = first.current;
    const drawn = new EditorView({
      parent: box.current,
      state: EditorState.create({
        doc,
        extensions: [
          keymap.of([{ key: 'Mod-Enter', run: () => handle(newest.current.onRun) }]),
          own,
          basicSetup,
          placeholder(words),
          editorLook,
          EditorView.updateListener.of((update) => {
            if (update.docChanged) newest.current.onChange(update.state.doc.toString());
          }),
          // Said aloud: a scrolled region's content must be reachable by keyboard, and not every tool takes an editable
          // element for that.
          EditorView.contentAttributes.of({ 'aria-label': name, tabindex: '0' }),
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

  return <div className={classes.editor} style={{ height }} ref={box} />;
}

/** Whether a key was taken: without an act it means what it means elsewhere. */
function handle(act: (() => void) | undefined): boolean {
  act?.();
  return act !== undefined;
}
