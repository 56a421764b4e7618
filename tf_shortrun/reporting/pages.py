"""Pages from templates. Whatever is put into a page is text, unless it is Markup."""

import jinja2

_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("tf_shortrun.reporting"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page(template: str, **values) -> str:
    """Returns the text of `templates/<template>` with these values."""
    return _TEMPLATES.get_template(template).render(**values)
