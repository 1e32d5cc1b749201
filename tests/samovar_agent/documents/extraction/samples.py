"""Small files of every kind, as their programs would write them."""

import io
import json
import struct
import zipfile
from email.message import EmailMessage

from tests.samovar_agent.documents.extraction.compound import compound

_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_DRAWING = "http://schemas.openxmlformats.org/drawingml/2006/main"
_SLIDES = "http://schemas.openxmlformats.org/presentationml/2006/main"
_CELLS = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_LINKS = "http://schemas.openxmlformats.org/package/2006/relationships"
_TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
_MAIN = "application/vnd.openxmlformats-officedocument."


def package(parts: dict[str, str | bytes], mimetype: str = "") -> bytes:
    """A ZIP package. - mimetype: stored first, as OpenDocument and EPUB want it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        if mimetype:
            archive.writestr("mimetype", mimetype, zipfile.ZIP_STORED)
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()


def pdf(pages: list[list[tuple[int, str]]], *, title: str = "", encrypted: bool = False) -> bytes:
    """A PDF. - pages: of each the lines, with their size in points. - encrypted: with a password nobody knows."""
    count = len(pages)
    kids = " ".join(f"{4 + 2 * index} 0 R" for index in range(count))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Count {count} /Kids [{kids}] >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for index, lines in enumerate(pages):
        drawn = ["0.5 g 100 100 300 300 re f 0 g"]
        y = 740
        for size, line in lines:
            drawn.append(f"BT /F1 {size} Tf 72 {y} Td ({line}) Tj ET")
            y -= size + 8
        stream = "\n".join(drawn).encode("latin-1")
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >> "
            + f"/Contents {5 + 2 * index} 0 R >>".encode()
        )
        objects.append(f"<< /Length {len(stream)} >>\nstream\n".encode() + stream + b"\nendstream")
    objects.append(f"<< /Title ({title}) >>".encode())
    trailer = f"/Root 1 0 R /Info {len(objects)} 0 R"
    if encrypted:
        unknown = f"<{'5a' * 32}>"
        objects.append(f"<< /Filter /Standard /V 1 /R 2 /O {unknown} /U {unknown} /P -4 >>".encode())
        trailer += f" /Encrypt {len(objects)} 0 R /ID [<{'11' * 16}> <{'11' * 16}>]"
    file = b"%PDF-1.4\n"
    places = []
    for number, content in enumerate(objects, 1):
        places.append(len(file))
        file += f"{number} 0 obj\n".encode() + content + b"\nendobj\n"
    table = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n" + "".join(
        f"{place:010} 00000 n \n" for place in places
    )
    end = f"trailer << /Size {len(objects) + 1} {trailer} >>\nstartxref\n{len(file)}\n%%EOF\n"
    return file + table.encode() + end.encode()


def docx(*, title: str = "On tea", body: str | None = None) -> bytes:
    """A Word document. - body: of WordprocessingML; else two headings, a paragraph, and a table."""
    if body is None:
        body = (
            _styled("Heading1", "Leaves")
            + _styled("", "Green tea is not roasted.")
            + _styled("Heading2", "Water")
            + "<w:tbl><w:tblGrid><w:gridCol/><w:gridCol/></w:tblGrid>"
            + _word_row("kind", "degrees")
            + _word_row("green", "75")
            + "</w:tbl>"
        )
    style = "".join(
        f'<w:style w:type="paragraph" w:styleId="Heading{level}"><w:name w:val="heading {level}"/>'
        f'<w:pPr><w:outlineLvl w:val="{level - 1}"/></w:pPr></w:style>'
        for level in (1, 2)
    )
    return package(
        {
            "[Content_Types].xml": _content_types({"/word/document.xml": "wordprocessingml.document.main"}),
            "_rels/.rels": _links({"officeDocument": "word/document.xml"}),
            "word/document.xml": f'<w:document xmlns:w="{_WORD}"><w:body>{body}</w:body></w:document>',
            "word/styles.xml": f'<w:styles xmlns:w="{_WORD}">{style}</w:styles>',
            "word/_rels/document.xml.rels": _links({"styles": "styles.xml"}),
            "docProps/core.xml": (
                '<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties" '
                f'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{title}</dc:title></cp:coreProperties>'
            ),
        }
    )


def pptx() -> bytes:
    """A presentation; its second slide has no title."""
    slides = ["Kinds of tea", None, "Water"]
    parts: dict[str, str | bytes] = {
        "[Content_Types].xml": _content_types(
            {"/ppt/presentation.xml": "presentationml.presentation.main"}
            | {f"/ppt/slides/slide{number}.xml": "presentationml.slide" for number in (1, 2, 3)}
        ),
        "_rels/.rels": _links({"officeDocument": "ppt/presentation.xml"}),
        "ppt/presentation.xml": (
            f'<p:presentation xmlns:p="{_SLIDES}" xmlns:r="{_OFFICE}"><p:sldIdLst>'
            + "".join(f'<p:sldId id="{256 + number}" r:id="rId{number}"/>' for number in (1, 2, 3))
            + "</p:sldIdLst></p:presentation>"
        ),
        "ppt/_rels/presentation.xml.rels": (
            f'<Relationships xmlns="{_LINKS}">'
            + "".join(
                f'<Relationship Id="rId{number}" Type="{_OFFICE}/slide" Target="slides/slide{number}.xml"/>'
                for number in (1, 2, 3)
            )
            + "</Relationships>"
        ),
    }
    for number, title in enumerate(slides, 1):
        shapes = _shape("title", title) if title else ""
        shapes += _shape("body", f"What slide {number} says.")
        parts[f"ppt/slides/slide{number}.xml"] = (
            f'<p:sld xmlns:p="{_SLIDES}" xmlns:a="{_DRAWING}"><p:cSld><p:spTree>{shapes}</p:spTree></p:cSld></p:sld>'
        )
    return package(parts)


def xlsx() -> bytes:
    """A workbook of two sheets."""
    parts: dict[str, str | bytes] = {
        "[Content_Types].xml": _content_types(
            {"/xl/workbook.xml": "spreadsheetml.sheet.main"}
            | {f"/xl/worksheets/sheet{number}.xml": "spreadsheetml.worksheet" for number in (1, 2)}
        ),
        "_rels/.rels": _links({"officeDocument": "xl/workbook.xml"}),
        "xl/workbook.xml": (
            f'<workbook xmlns="{_CELLS}" xmlns:r="{_OFFICE}"><sheets><sheet name="Prices" sheetId="1" r:id="rId1"/>'
            '<sheet name="Stock" sheetId="2" r:id="rId2"/></sheets></workbook>'
        ),
        "xl/_rels/workbook.xml.rels": (
            f'<Relationships xmlns="{_LINKS}">'
            + "".join(
                f'<Relationship Id="rId{number}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{number}.xml"/>'
                for number in (1, 2)
            )
            + "</Relationships>"
        ),
    }
    for number, rows in ((1, [("tea", "euro"), ("green", "4.20")]), (2, [("tea", "bags"), ("black", "17")])):
        cells = "".join(
            f'<row r="{row}">'
            + "".join(
                f'<c r="{column}{row}" t="inlineStr"><is><t>{text}</t></is></c>'
                for column, text in zip("AB", texts, strict=True)
            )
            + "</row>"
            for row, texts in enumerate(rows, 1)
        )
        parts[f"xl/worksheets/sheet{number}.xml"] = (
            f'<worksheet xmlns="{_CELLS}"><sheetData>{cells}</sheetData></worksheet>'
        )
    return package(parts)


def odt(*, encrypted: bool = False) -> bytes:
    """An OpenDocument text."""
    names = "urn:oasis:names:tc:opendocument:xmlns:"
    secret = "<manifest:encryption-data/>" if encrypted else ""
    return package(
        {
            "META-INF/manifest.xml": (
                f'<manifest:manifest xmlns:manifest="{names}manifest:1.0"><manifest:file-entry '
                f'manifest:full-path="content.xml" manifest:media-type="text/xml">{secret}</manifest:file-entry>'
                "</manifest:manifest>"
            ),
            "content.xml": (
                f'<office:document-content xmlns:office="{names}office:1.0" xmlns:text="{names}text:1.0"><office:body>'
                '<office:text><text:h text:outline-level="1">Leaves</text:h><text:p>Green tea is not roasted.</text:p>'
                "</office:text></office:body></office:document-content>"
            ),
        },
        "application/vnd.oasis.opendocument.text",
    )


def epub() -> bytes:
    """A book of two chapters."""
    chapters = {"one": ("Leaves", "Green tea is not roasted."), "two": ("Water", "Not too hot.")}
    parts: dict[str, str | bytes] = {
        "META-INF/container.xml": (
            '<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
            '<rootfile full-path="book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
        ),
        "book.opf": (
            '<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id">'
            '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:identifier id="id">tea</dc:identifier>'
            "<dc:title>The book of tea</dc:title><dc:language>en-GB</dc:language></metadata><manifest>"
            + "".join(f'<item id="{key}" href="{key}.xhtml" media-type="application/xhtml+xml"/>' for key in chapters)
            + "</manifest><spine>"
            + "".join(f'<itemref idref="{key}"/>' for key in chapters)
            + "</spine></package>"
        ),
    }
    for key, (heading, text) in chapters.items():
        parts[f"{key}.xhtml"] = (
            f'<html xmlns="http://www.w3.org/1999/xhtml"><head><title>{heading}</title></head>'
            f"<body><h1>{heading}</h1><p>{text}</p></body></html>"
        )
    return package(parts, "application/epub+zip")


def rtf() -> bytes:
    """Rich text."""
    return rb"{\rtf1\ansi\deff0{\fonttbl{\f0 Times;}}\f0\fs24 Green tea is not roasted.\par Not too hot: 75\'b0.\par}"


def eml() -> bytes:
    """A message."""
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = "Tea at four", "ann@example.org", "bob@example.org"
    message.set_content("Come for tea.\n\nBring the samovar, and Jörg.\n")
    return message.as_bytes()


def msg() -> bytes:
    """The same as Outlook keeps it."""
    return compound(
        {
            "__properties_version1.0": struct.pack("<8xIIII8x", 0, 0, 0, 0) + bytes(4096),
            "__substg1.0_001A001F": "IPM.Note".encode("utf-16-le") + " ".encode("utf-16-le"),
            "__substg1.0_0037001F": "Tea at four ".encode("utf-16-le"),
            "__substg1.0_1000001F": "Come for tea. Bring the samovar. ".encode("utf-16-le"),
        }
    )


def notebook() -> bytes:
    """A Jupyter notebook."""
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": ["# Brewing\n", "How long tea takes."]},
        {
            "cell_type": "code",
            "metadata": {},
            "execution_count": 1,
            "source": ["    minutes = 3\n", "    print(minutes)"],
            "outputs": [{"output_type": "stream", "name": "stdout", "text": ["3 minutes\n"]}],
        },
    ]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()


def html() -> bytes:
    """A page in an older encoding."""
    return (
        '<html lang="de"><head><meta charset="windows-1252"><title>Über Tee</title><style>p {}</style></head><body>'
        "<h1>Blätter</h1><p>Grüner Tee ist nicht geröstet, schöner schwarzer schon.</p><h2>Wasser</h2>"
        "<ul><li>heiß</li><li>weich</li></ul>"
        "<table><tr><th>Tee</th><th>Grad</th></tr><tr><td>grün</td><td>75</td></tr></table>"
        "<script>var never = 'read';</script></body></html>"
    ).encode("cp1252")


def _content_types(parts: dict[str, str]) -> str:
    overrides = "".join(
        f'<Override PartName="{name}" ContentType="{_MAIN}{kind}+xml"/>' for name, kind in parts.items()
    )
    return (
        f'<Types xmlns="{_TYPES}"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>{overrides}</Types>'
    )


def _links(targets: dict[str, str]) -> str:
    links = "".join(
        f'<Relationship Id="rId{number}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(targets.items(), 1)
    )
    return f'<Relationships xmlns="{_LINKS}">{links}</Relationships>'


def _styled(style: str, text: str) -> str:
    properties = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f"<w:p>{properties}<w:r><w:t>{text}</w:t></w:r></w:p>"


def _word_row(*cells: str) -> str:
    return "<w:tr>" + "".join(f"<w:tc><w:p><w:r><w:t>{cell}</w:t></w:r></w:p></w:tc>" for cell in cells) + "</w:tr>"


def _shape(kind: str, text: str) -> str:
    return (
        f'<p:sp><p:nvSpPr><p:cNvPr id="2" name="{kind}"/><p:cNvSpPr/><p:nvPr><p:ph type="{kind}"/></p:nvPr></p:nvSpPr>'
        f"<p:spPr/><p:txBody><a:bodyPr/><a:p><a:r><a:t>{text}</a:t></a:r></a:p></p:txBody></p:sp>"
    )
