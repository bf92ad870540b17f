-- Every metric of every connection once, no more known than there is, and the words as the counts say.
with metrics as (

    select distinct metric
    from {{ ref('metric_availability') }}

)

select
    connections.connection_id,
    metrics.metric,
    availability.availability,
    availability.applicable_count,
    availability.known_count
from {{ ref('int_connections_covered') }} as connections
cross join metrics
left join {{ ref('metric_availability') }} as availability
    on
        connections.connection_id = availability.connection_id
        and metrics.metric = availability.metric
where
    availability.metric is null
    or availability.known_count > availability.applicable_count
    or availability.availability
    <> case
        when availability.known_count = 0 then 'unavailable'
        when availability.known_count = availability.applicable_count then 'available'
        else 'partly'
    end
    or (availability.availability = 'available') <> (availability.reason is null)
    or (availability.reason = 'nothing_to_measure') <> (availability.applicable_count = 0)
