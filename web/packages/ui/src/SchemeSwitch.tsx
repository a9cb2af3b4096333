import { type MantineColorScheme, useMantineColorScheme } from '@mantine/core';
import { IconMoon, IconSun, IconSystem } from './icons';
import classes from './Segments.module.css';

const SCHEMES: { value: MantineColorScheme; label: string; Icon: typeof IconSun }[] = [
  { value: 'light', label: 'Light', Icon: IconSun },
  { value: 'dark', label: 'Dark', Icon: IconMoon },
  { value: 'auto', label: 'As the system', Icon: IconSystem },
];

/** Light, dark, or as the system says; remembered by the browser. */
export function SchemeSwitch() {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  return (
    <div className={classes.segments} role="group" aria-label="Colour scheme">
      {SCHEMES.map(({ value, label, Icon }) => (
        <button
          key={value}
          type="button"
          className={classes.segment}
          aria-pressed={colorScheme === value}
          aria-label={label}
          title={label}
          onClick={() => setColorScheme(value)}
        >
          <Icon size={16} stroke={1.8} aria-hidden />
        </button>
      ))}
    </div>
  );
}
