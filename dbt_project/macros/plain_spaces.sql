{# Text with every kind of space that Unicode knows (no-break, narrow, figure, thin, …) as a plain blank, and without
   the marks that take no room (zero-width space, byte order mark). #}
{% macro plain_spaces(expression) -%}
    {%- set spaces = [160] + range(8192, 8203) | list + [8239, 8287, 12288] -%}
    {%- set roomless = [8203, 65279] -%}
    translate(
        {{ expression }},
        {% for code_point in spaces + roomless -%}
        chr({{ code_point }}){{ ' || ' if not loop.last }}
        {%- endfor %},
        '{{ " " * spaces | length }}'
    )
{%- endmacro %}
