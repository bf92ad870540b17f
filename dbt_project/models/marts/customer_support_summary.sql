with customers as (

    select * from {{ ref('stg_unified__customers') }}

),

connections as (

    select
        connection_id,
        integration_type
    from {{ ref('stg_unified__connections') }}

),

-- Both periods end where reading did, so that they are the same however late one looks.
periods as (

    select
        connection_id,
        data_as_of,
        {{ whole_second('data_as_of') }} as recent_until_at,
        {{ whole_second('data_as_of') }} - {{ var('customer_trend_days') }} * interval '1 day' as recent_after_at,
        {{ whole_second('data_as_of') }} - 2 * {{ var('customer_trend_days') }} * interval '1 day' as previous_after_at
    from {{ ref('int_connections_covered') }}

),

tickets as (

    select
        tickets.*,
        tickets.kind in ('spam', 'merged') as is_set_aside,
        case
            when tickets.kind in ('spam', 'merged') then null
            when {{ whole_second('tickets.opened_at') }} > periods.recent_until_at then null
            when {{ whole_second('tickets.opened_at') }} > periods.recent_after_at then 'recent'
            when {{ whole_second('tickets.opened_at') }} > periods.previous_after_at then 'previous'
        end as period
    from {{ ref('tickets') }} as tickets
    left join periods
        on tickets.connection_id = periods.connection_id
    where tickets.customer_id is not null and not tickets.is_deleted

),

category_counts as (

    select
        connection_id,
        customer_id,
        category_name,
        count(*) as ticket_count,
        row_number() over (
            partition by connection_id, customer_id order by count(*) desc, {{ byte_order('category_name') }} asc
        ) as place
    from tickets
    where category_name is not null and not is_set_aside
    group by connection_id, customer_id, category_name

),

top_categories as (

    select
        connection_id,
        customer_id,
        {{ json_array_aggregate(
            json_object({'category_name': 'category_name', 'ticket_count': 'ticket_count'}), order_by='place'
        ) }} as top_categories
    from category_counts
    where place <= 3
    group by connection_id, customer_id

),

ticket_figures as (

    select
        connection_id,
        customer_id,
        count(*) as ticket_count,
        cast(sum(case when is_closed then 0 else 1 end) as bigint) as open_ticket_count,
        cast(sum(case when is_closed then 1 else 0 end) as bigint) as closed_ticket_count,
        cast(sum(case when is_conversation_known then 1 else 0 end) as bigint) as known_conversation_ticket_count,
        cast(
            sum(
                case
                    when waiting_on = 'us' then 1
                    when is_conversation_known and waiting_on <> 'unknown' then 0
                end
            ) as bigint
        ) as waiting_on_us_ticket_count,
        cast(sum(cast(is_answered as integer)) as bigint) as answered_ticket_count,
        cast(sum(customer_message_count) as bigint) as customer_message_count,
        cast(sum(agent_reply_count) as bigint) as agent_reply_count,
        min(opened_at) as first_ticket_opened_at,
        max(opened_at) as last_ticket_opened_at,
        min(first_contact_at) as first_contact_at,
        max(last_contact_at) as last_contact_at,
        max(last_customer_message_at) as last_customer_message_at,
        max(last_agent_message_at) as last_agent_message_at,
        min(case when waiting_on = 'us' then waiting_since_at end) as waiting_on_us_since_at,
        {{ median_seconds('first_reply_seconds') }} as median_first_reply_seconds,
        {{ percentile_seconds('first_reply_seconds', 0.9) }} as p90_first_reply_seconds,
        {{ median_seconds('case when not is_set_aside then resolution_seconds end') }} as median_resolution_seconds,
        {{ percentile_seconds('case when not is_set_aside then resolution_seconds end', 0.9) }}
            as p90_resolution_seconds,
        cast(
            sum(case when observed_reopen_count is not null then least(observed_reopen_count, 1) end) as bigint
        ) as reopened_ticket_count,
        {% for period in ['recent', 'previous'] -%}
            cast(sum(case when period = '{{ period }}' then 1 else 0 end) as bigint)
                as {{ period }}_opened_ticket_count,
            {{ median_seconds("case when period = '" ~ period ~ "' then first_reply_seconds end") }}
                as {{ period }}_median_first_reply_seconds,
        {% endfor -%}
        min(case when not is_closed and not is_set_aside then opened_at end) as oldest_open_ticket_opened_at
    from tickets
    group by connection_id, customer_id

),

customer_keys as (

    select
        connection_id,
        customer_id
    from customers
    union
    select
        connection_id,
        customer_id
    from ticket_figures

),

trends as (

    select
        customer_keys.connection_id,
        customer_keys.customer_id,
        {% for period in ['recent', 'previous'] -%}
            case
                when periods.data_as_of is not null then coalesce(ticket_figures.{{ period }}_opened_ticket_count, 0)
            end as {{ period }}_opened_ticket_count,
        {% endfor -%}
        periods.data_as_of
    from customer_keys
    left join periods
        on customer_keys.connection_id = periods.connection_id
    left join ticket_figures
        on
            customer_keys.connection_id = ticket_figures.connection_id
            and customer_keys.customer_id = ticket_figures.customer_id

)

select
    customer_keys.connection_id,
    customer_keys.customer_id,
    connections.integration_type,
    customers.customer_name,
    customers.email,
    customers.telephone,
    customers.created_at as customer_created_at,
    coalesce(ticket_figures.ticket_count, 0) as ticket_count,
    coalesce(ticket_figures.open_ticket_count, 0) as open_ticket_count,
    coalesce(ticket_figures.closed_ticket_count, 0) as closed_ticket_count,
    coalesce(ticket_figures.known_conversation_ticket_count, 0) as known_conversation_ticket_count,
    case when ticket_figures.customer_id is null then 0 else ticket_figures.waiting_on_us_ticket_count end
        as waiting_on_us_ticket_count,
    case when ticket_figures.customer_id is null then 0 else ticket_figures.answered_ticket_count end
        as answered_ticket_count,
    case when ticket_figures.customer_id is null then 0 else ticket_figures.customer_message_count end
        as customer_message_count,
    case when ticket_figures.customer_id is null then 0 else ticket_figures.agent_reply_count end
        as agent_reply_count,
    case when ticket_figures.customer_id is null then 0 else ticket_figures.reopened_ticket_count end
        as reopened_ticket_count,
    ticket_figures.first_ticket_opened_at,
    ticket_figures.last_ticket_opened_at,
    ticket_figures.oldest_open_ticket_opened_at,
    ticket_figures.first_contact_at,
    ticket_figures.last_contact_at,
    ticket_figures.last_customer_message_at,
    ticket_figures.last_agent_message_at,
    ticket_figures.waiting_on_us_since_at,
    ticket_figures.median_first_reply_seconds,
    ticket_figures.p90_first_reply_seconds,
    ticket_figures.median_resolution_seconds,
    ticket_figures.p90_resolution_seconds,
    trends.recent_opened_ticket_count,
    trends.previous_opened_ticket_count,
    case
        when trends.previous_opened_ticket_count > 0
            then
                cast(trends.recent_opened_ticket_count - trends.previous_opened_ticket_count as double precision)
                / trends.previous_opened_ticket_count
    end as trend_share,
    ticket_figures.recent_median_first_reply_seconds,
    ticket_figures.previous_median_first_reply_seconds,
    cast(coalesce(top_categories.top_categories, cast('[]' as json)) as json) as top_categories,
    customers.customer_id is not null as is_known,
    coalesce(customers.is_deleted, false) as is_deleted,
    trends.data_as_of
from customer_keys
inner join trends
    on
        customer_keys.connection_id = trends.connection_id
        and customer_keys.customer_id = trends.customer_id
left join customers
    on
        customer_keys.connection_id = customers.connection_id
        and customer_keys.customer_id = customers.customer_id
left join connections
    on customer_keys.connection_id = connections.connection_id
left join ticket_figures
    on
        customer_keys.connection_id = ticket_figures.connection_id
        and customer_keys.customer_id = ticket_figures.customer_id
left join top_categories
    on
        customer_keys.connection_id = top_categories.connection_id
        and customer_keys.customer_id = top_categories.customer_id
