with replies as (

    select
        connection_id,
        agent_id,
        cast(extract(isodow from {{ local_moment('sent_at') }}) as bigint) as weekday,
        cast(extract(hour from {{ local_moment('sent_at') }}) as bigint) as hour_of_day,
        is_first_reply
    from {{ ref('int_replies_credited') }}
    where agent_id is not null and sent_at is not null

),

connections as (

    select
        connection_id,
        integration_type
    from {{ ref('stg_unified__connections') }}

),

hours as (

    select
        connection_id,
        agent_id,
        weekday,
        hour_of_day,
        count(*) as reply_count,
        cast(sum(case when is_first_reply then 1 else 0 end) as bigint) as first_reply_count
    from replies
    group by connection_id, agent_id, weekday, hour_of_day

)

select
    hours.connection_id,
    hours.agent_id,
    hours.weekday,
    hours.hour_of_day,
    connections.integration_type,
    hours.reply_count,
    hours.first_reply_count
from hours
left join connections
    on hours.connection_id = connections.connection_id
