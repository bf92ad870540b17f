{# The seed raw_signs as a user may have edited it. #}
{% set problems -%}
{% set meanings = {
    'visibility': ['public', 'internal'],
    'author_role': ['agent', 'customer', 'bot'],
    'automatic': ['true'],
    'kind': ['spam', 'merged', 'outbound'],
    'vendor_status': ['new', 'open', 'pending', 'hold', 'solved', 'closed'],
} -%}
{% set signs = {
    'note': ['visibility', 'author_role', 'automatic'],
    'ticket': ['author_role', 'kind', 'vendor_status', 'satisfaction', 'vendor_first_replied_at', 'vendor_resolved_at'],
    'tag': ['kind'],
} -%}
with signs as (

    select
        *,
        coalesce(object, 'no object') || ', ' || coalesce(path, 'no path') || ' = ' || coalesce(value, 'no value') as what
    from {{ ref('stg_seeds__raw_signs') }}

),

doubled_signs as (

    select
        what,
        sign
    from signs
    where object is not null and value is not null and sign is not null
    group by object, integration_type, path, value, sign, what
    having count(*) > 1

)

select
    what,
    'the object is note, ticket or tag' as problem
from signs
where coalesce(object not in ('note', 'ticket', 'tag'), true)
union all
select
    what,
    'there is no such sign of this object: ' || coalesce(sign, '') as problem
from signs
where
    not coalesce(
        {% for object, names in signs.items() -%}
        {{ 'or ' if not loop.first }}(object = '{{ object }}' and sign in ('{{ names | join("', '") }}'))
        {% endfor %},
        false
    )
    and object in ('note', 'ticket', 'tag')
union all
select
    what,
    'this sign means something else, and never nothing: ' || coalesce(meaning, 'a blank') as problem
from signs
where
    {% for sign, words in meanings.items() -%}
    {{ 'or ' if not loop.first }}(sign = '{{ sign }}' and coalesce(meaning not in ('{{ words | join("', '") }}'), true))
    {% endfor %}
union all
select
    what,
    'a path is needed, but for a tag, which has none' as problem
from signs
where (object = 'tag') = (path is not null)
union all
select
    what,
    'value and place are needed; a value of * is any text' as problem
from signs
where value is null or place_text is null
union all
{{ misread_cells('signs', whole_numbers=['place']) }}
union all
select
    what,
    'a path is keys with dots between; a quotation mark, a star, an empty key or a number cannot be one' as problem
from signs
where path like '%"%' or path like '%*%' or '.' || path || '.' like '%..%' or {{ regex_matches("'.' || path || '.'", '[.][0-9]+[.]') }}
union all
select
    what,
    'the sign stands there more than once for the same helpdesk: ' || sign as problem
from doubled_signs
{%- endset -%}
{{ refuse_problems('raw_signs', problems) }}
