-- The other road: by the age of each ticket when reading ended, in seconds.
with by_customer as (

    select
        connection_id,
        sum(recent_opened_ticket_count) as recent_count,
        sum(previous_opened_ticket_count) as previous_count,
        sum(reopened_ticket_count) as reopened_count
    from {{ ref('customer_support_summary') }}
    group by connection_id

),

aged_tickets as (

    select
        connection_id,
        observed_reopen_count,
        kind in ('spam', 'merged') as is_set_aside,
        {{ seconds_between('opened_at', 'data_as_of') }} as age_seconds
    from {{ ref('tickets') }}
    where customer_id is not null and not is_deleted

),

by_ticket as (

    select
        connection_id,
        sum(
            case
                when not is_set_aside and age_seconds between 0 and {{ var('customer_trend_days') }} * 86400 - 1 then 1
                else 0
            end
        ) as recent_count,
        sum(
            case
                when
                    not is_set_aside
                    and age_seconds between {{ var('customer_trend_days') }} * 86400
                    and {{ var('customer_trend_days') }} * 2 * 86400 - 1
                    then 1
                else 0
            end
        ) as previous_count,
        sum(case when observed_reopen_count > 0 then 1 else 0 end) as reopened_count
    from aged_tickets
    group by connection_id

)

select
    by_ticket.*,
    by_customer.recent_count as recent_count_by_customer,
    by_customer.previous_count as previous_count_by_customer
from by_ticket
inner join by_customer
    on by_ticket.connection_id = by_customer.connection_id
where
    coalesce(by_customer.recent_count, 0) <> by_ticket.recent_count
    or coalesce(by_customer.previous_count, 0) <> by_ticket.previous_count
    or coalesce(by_customer.reopened_count, 0) <> by_ticket.reopened_count
