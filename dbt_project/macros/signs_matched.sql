{# A query of the signs that the `raw` of records shows: connection_id, record_id, sign, meaning, place, path, value and
   is_beginning. `records` is a CTE with connection_id, integration_type, record_id and raw. #}
{% macro signs_matched(object, records) -%}
    {%- set texts -%}
        (
            select
                records.connection_id,
                records.integration_type,
                records.record_id,
                paths.path,
                coalesce(
                    {{ json_text_at('records.raw', "paths.path || '.value'") }},
                    {{ json_text_at('records.raw', 'paths.path') }}
                ) as found_text
            from {{ records }} as records
            cross join (
                select distinct path
                from {{ ref('int_signs') }}
                where object = '{{ object }}'
            ) as paths
            where records.raw is not null
        )
    {%- endset -%}
    {{ signs_matched_in_texts(object, texts) }}
{%- endmacro %}

{# The same of texts that have been found: `texts` has connection_id, integration_type, record_id, path and
   found_text. Materialized: Postgres would otherwise find a text once more for each sign it may be. #}
{% macro signs_matched_in_texts(object, texts) -%}
    select
        texts.connection_id,
        texts.record_id,
        signs.sign,
        coalesce(signs.meaning, texts.found_text) as meaning,
        signs.place,
        signs.integration_type is null as is_for_all,
        signs.path,
        signs.value,
        signs.is_beginning
    from (
        with words as materialized (
            select
                *,
                {{ lower_snake('found_text') }} as found_word
            from {{ texts }} as found_texts
            where found_text is not null
        )

        select * from words
    ) as texts
    inner join {{ ref('int_signs') }} as signs
        on
            texts.path = signs.path
            and signs.object = '{{ object }}'
            and coalesce(texts.integration_type = signs.integration_type, signs.integration_type is null)
            and (
                texts.found_word = signs.value
                or (signs.is_beginning and starts_with(texts.found_word, signs.value))
            )
{%- endmacro %}
