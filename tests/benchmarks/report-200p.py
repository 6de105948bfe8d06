"""A report of two hundred pages, nearly all of them an extract of check results, one a line: CPU seconds from the
book to the finished PDF/A, beside WeasyPrint's for the same rows as a table.
"""

import functools

import _harness as harness
import _reports as reports


def measure(run):
    book, model = reports.books.crowded(run.checks)
    found, evidence = reports.built(book, model)
    size = reports.pages(reports.drawn(found, evidence))
    ours = functools.partial(reports.seconds, lambda: reports.drawn(*reports.built(book, model)))
    table = functools.partial(reports.seconds, functools.partial(_as_table, found.extracts[0].lines))
    mine, its = run.interleaved(ours, table)
    what = f"the same rows as a table; {size} pages, {len(found.extracts[0].lines):,} lines"
    yield harness.compare("report-200p", mine, its, unit="s", what=what, aim="<=5s")


def _as_table(lines):
    from markupsafe import escape
    from weasyprint import HTML

    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in line.split(' · '))}</tr>" for line in lines)
    style = "<style>@page { size: A4 } table { font: 6pt 'DejaVu Sans Mono' }</style>"
    HTML(string=f"<title>Table</title>{style}<table>{rows}</table>").write_pdf(pdf_variant="pdf/a-3a")


if __name__ == "__main__":
    harness.main(measure, rounds=(3, 1), checks=(13_000, 60))
