{# Whether a ticket was there when all notes of its connection had been read. #}
{% macro is_before_notes_read(opened_at, connections) -%}
    coalesce(
        {{ whole_second(opened_at) }} <= {{ whole_second(connections ~ '.all_notes_read_through_at') }},
        {{ connections }}.all_notes_read_through_at is not null
    )
{%- endmacro %}
