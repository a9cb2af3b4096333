import { createTheme, type CSSVariablesResolver, type MantineColorsTuple } from '@mantine/core';

const iris: MantineColorsTuple = [
  '#eef1ff', '#dfe4ff', '#c0c9ff', '#a3aefc', '#8491f6', '#6876ee', '#515ee0', '#424dc9', '#363fa8', '#2a3187',
];

const gray: MantineColorsTuple = [
  '#f7f8fb', '#f0f2f7', '#e6e9f0', '#d9dde7', '#c5cad7', '#a4abbd', '#767f95', '#555e73', '#3a4254', '#1a2030',
];

/** Neutrals of the dark scheme: ink blue instead of Mantine's flat grey. */
const dark: MantineColorsTuple = [
  '#dfe3ee', '#b7bed0', '#99a1b7', '#69728a', '#333b4f', '#282f41', '#1e2433', '#161b27', '#0f131c', '#0a0d14',
];

export const theme = createTheme({
  primaryColor: 'iris',
  primaryShade: { light: 7, dark: 6 },
  colors: { iris, gray, dark },
  fontFamily: "'Inter Variable', system-ui, sans-serif",
  fontFamilyMonospace: "ui-monospace, 'SF Mono', 'Cascadia Code', 'DejaVu Sans Mono', monospace",
  headings: { fontWeight: '640' },
  defaultRadius: 'md',
  respectReducedMotion: true,
  cursorType: 'pointer',
});

/** Our tokens on top of Mantine's: the stock dimmed and link colours miss 4.5:1 on tinted grounds. */
export const cssVariables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    '--mantine-color-body': '#ffffff',
    '--mantine-color-text': gray[9],
    '--mantine-color-dimmed': gray[7],
    '--mantine-color-anchor': iris[7],
    '--mantine-color-error': '#c0262d',
    '--mantine-color-placeholder': gray[6],
    '--mantine-color-default-border': gray[3],
    '--tg-page': gray[0],
    '--tg-card': '#ffffff',
    '--tg-sunken': gray[1],
    '--tg-line': gray[2],
    '--tg-hover': gray[1],
    '--tg-accent': iris[7],
    '--tg-accent-soft': iris[0],
    '--tg-accent-text': iris[8],
    '--tg-good': '#0b7a4b',
    '--tg-good-soft': '#e3f6ec',
    '--tg-warn': '#8a5300',
    '--tg-warn-soft': '#fdf3dd',
    '--tg-bad': '#b4232a',
    '--tg-bad-soft': '#fdecec',
    '--tg-shadow': '0 1px 2px rgb(26 32 48 / 5%), 0 4px 16px rgb(26 32 48 / 4%)',
    '--tg-gate': iris[7],
  },
  dark: {
    '--mantine-color-body': dark[7],
    '--mantine-color-text': dark[0],
    '--mantine-color-dimmed': dark[2],
    '--mantine-color-anchor': iris[3],
    '--mantine-color-error': '#ff8a8a',
    '--mantine-color-placeholder': '#8089a0',
    '--mantine-color-default-border': dark[4],
    '--tg-page': '#0e121a',
    '--tg-card': '#161b27',
    '--tg-sunken': '#10141e',
    '--tg-line': '#262d3d',
    '--tg-hover': '#1e2433',
    '--tg-accent': iris[4],
    '--tg-accent-soft': '#222848',
    '--tg-accent-text': '#c0c9ff',
    '--tg-good': '#5fd6a0',
    '--tg-good-soft': '#12301f',
    '--tg-warn': '#f3c266',
    '--tg-warn-soft': '#34280f',
    '--tg-bad': '#ff9a9a',
    '--tg-bad-soft': '#3a1a1e',
    '--tg-shadow': '0 1px 2px rgb(0 0 0 / 40%)',
    '--tg-gate': iris[5],
  },
});
