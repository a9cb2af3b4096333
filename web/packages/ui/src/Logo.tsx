/** The gate: a post, and a raised barrier in front of a road. Decorative, the word beside it is the name. */
export function Logo({ size = 28 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="8" fill="var(--tg-gate)" />
      <path d="M9 25V12.5" stroke="#fff" strokeWidth="3.6" strokeLinecap="round" />
      <path d="M9 14.6 24.4 8.2" stroke="#fff" strokeWidth="3.6" strokeLinecap="round" />
      <path d="m13.7 12.65 3-1.25M20.4 9.86l2.6-1.08" stroke="#ffb224" strokeWidth="3.6" />
      <path
        d="M15.5 25h9"
        stroke="#fff"
        strokeOpacity=".55"
        strokeWidth="2.6"
        strokeLinecap="round"
        strokeDasharray="3.2 3.6"
      />
    </svg>
  );
}
