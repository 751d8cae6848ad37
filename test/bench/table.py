"""The table that a benchmark ends with: per subject a value and its ratio, and what the ratio is to."""


def number(value):
    return str(value) if isinstance(value, (bool, int)) else "%.*f" % (1 if value >= 100 else 2, value)


def cells_of(names, figure, unit, values, reference, meaning):
    cells = [figure, unit]
    for name in names:
        value, other = values[name], reference.get(name)
        cells += [number(value), "%.2f" % (value / other) if other else "-"]
    cells.append(meaning)
    if len(names) == 2:
        first, second = (values[name] for name in names)
        cells.append("%.2f" % (second / first) if first else "-")
    return cells


def show(rows, names):
    """`rows`: a heading as (text,), or (figure, unit, values by name, references by name, what the reference is)."""
    head = ["figure", "unit"] + [word for name in names for word in (name, "ratio")] + ["ratio to"]
    if len(names) == 2:
        head.append("%s/%s" % (names[1], names[0]))
    lines = [head] + [row[0] if len(row) == 1 else cells_of(names, *row) for row in rows]
    widths = [max(len(line[i]) for line in lines if isinstance(line, list)) for i in range(len(head))]
    words = (0, 1, 2 + 2 * len(names))
    for line in lines:
        if isinstance(line, str):
            print("\n" + line)
        else:
            print("  ".join(cell.ljust(width) if i in words else cell.rjust(width)
                            for i, (cell, width) in enumerate(zip(line, widths))).rstrip())
