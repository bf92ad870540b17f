-- A connection has an empty list exactly where every metric is known somewhere, and tells of nothing that is on the list.
with unavailable as (

    select
        connection_id,
        sum(case when availability = 'unavailable' then 1 else 0 end) as unavailable_count,
        max(case when metric = 'message_author' then availability end) as author_availability,
        max(case when metric = 'satisfaction' then availability end) as satisfaction_availability
    from {{ ref('metric_availability') }}
    group by connection_id

)

select connections.connection_id
from {{ ref('connections') }} as connections
left join unavailable
    on connections.connection_id = unavailable.connection_id
where
    (unavailable.unavailable_count = 0) <> (cast(connections.unavailable_metrics as {{ dbt.type_string() }}) = '[]')
    or (unavailable.author_availability = 'unavailable') = coalesce(connections.tells_author, false)
    or (unavailable.satisfaction_availability = 'unavailable') = coalesce(connections.tells_satisfaction, false)
    or unavailable.connection_id is null
