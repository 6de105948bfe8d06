"""A report of twelve pages with six charts: from the book to the finished PDF/A with its evidence, beside what
WeasyPrint needs for the same HTML alone. CPU seconds.
"""

import functools

import _harness as harness
import _reports as reports


def measure(run):
    from weasyprint import HTML

    from tallystick.report import render

    book, model = reports.books.BOOKS["promoted" if not run.quick else "bare"]()
    page = render.html(reports.built(book, model)[0])
    ours = functools.partial(reports.seconds, lambda: reports.drawn(*reports.built(book, model)))
    alone = functools.partial(reports.seconds, lambda: HTML(string=page).write_pdf(pdf_variant=render.PDF_VARIANT))
    ours()  # fonts are found once in a process
    data = reports.drawn(*reports.built(book, model))
    mine, its = run.interleaved(ours, alone)
    what = f"WeasyPrint alone; {reports.pages(data)} pages, {page.count('<svg')} charts"
    yield harness.compare("report-12p", mine, its, unit="s", what=what, aim="<=1.2")


if __name__ == "__main__":
    harness.main(measure, rounds=(5, 1))
